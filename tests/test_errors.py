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


def test_a_message_is_one_line_that_no_terminal_obeys():
    error = errors.ModelError("layer a\x1b[2J\u202e\nof Größe.keras  is [/]")
    assert str(error) == r"layer a\x1b[2J\u202e of Größe.keras  is [/]"
    assert str(errors.PromiseNotMetError("a\x07b", report=3)) == r"a\x07b"
