from tfcompress import errors


def test_exit_codes_are_those_of_the_command_line():
    kinds = {
        kind
        for kind in vars(errors).values()
        if getattr(kind, "__module__", "") == errors.__name__
    }
    assert all(issubclass(kind, errors.TfcompressError) for kind in kinds)
    broken_promises = {errors.FloatOpError, errors.PromiseNotMetError}
    assert {kind for kind in kinds if kind.exit_code == 3} == broken_promises
    assert {kind.exit_code for kind in kinds - broken_promises} == {1}


def test_float_op_is_caught_as_an_export_error():
    assert issubclass(errors.FloatOpError, errors.ExportError)


def test_a_path_without_a_file_is_told_in_one_way(tmp_path):
    missing, recipe = tmp_path / "m.keras", "a Python file that defines RECIPE, such as"
    model = "expected a model file: check the path"
    assert str(errors.ModelError.not_a_file(missing)) == (
        f"{missing} does not exist; {model}"
    )
    assert str(errors.ModelError.not_a_file("")) == f"'' does not exist; {model}"
    assert str(errors.RecipeError.not_a_file(tmp_path)).startswith(
        f"{tmp_path} is a folder; expected {recipe}"
    )


def test_a_message_is_one_line_that_no_terminal_obeys():
    error = errors.ModelError("layer a\x1b[2J\u202e\nof Größe.keras  is [/]")
    assert str(error) == r"layer a\x1b[2J\u202e of Größe.keras  is [/]"
    assert str(errors.PromiseNotMetError("a\x07b", report=3)) == r"a\x07b"
