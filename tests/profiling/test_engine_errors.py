import pytest
from ai_edge_litert import schema_py_generated as schema
from small_file import relu_file

from tfcompress.profiling.engine_errors import cannot_run

CONVOLUTION = schema.BuiltinOperator.DEPTHWISE_CONV_2D


def told(tmp_path, said, **options):
    path = tmp_path / "m.tflite"
    path.write_bytes(relu_file(**options))
    text = str(cannot_run("LiteRT", [path], said))
    return text.removeprefix(f"LiteRT cannot run {path}: ")


@pytest.mark.parametrize(
    ("options", "line", "name"),
    [
        ({"custom": b"MyOp"}, "Encountered unresolved custom op: MyOp.", "MyOp"),
        ({"code": CONVOLUTION}, "No Op TFL_DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D"),
    ],
)
def test_the_operator_that_is_refused_is_named(tmp_path, options, line, name):
    assert told(tmp_path, ["It failed.", line, "Bye."], **options) == (
        f"{line.rstrip('.')}; replace the layer that {name} comes from, or convert "
        "the model to other operators"
    )


def test_a_sound_file_is_not_to_be_copied_again(tmp_path):
    # The file has no CONV_2D, and RELU6 is not its RELU.
    said = ["CONV_2D has no room.", "RELU6 neither"]
    mend = "CONV_2D has no room; convert the model again"
    assert told(tmp_path, said, code=CONVOLUTION) == mend
    assert told(tmp_path, said) == mend


def test_damage_and_absence_are_told_in_the_words_of_all_commands(tmp_path):
    cut, none = tmp_path / "cut.tflite", tmp_path / "none.tflite"
    cut.write_bytes(relu_file()[:200])
    assert "cut.tflite is damaged (" in str(cannot_run("LiteRT", [cut], ["no"]))
    expected = f"LiteRT cannot run {none}: {none} does not exist; expected a model file"
    assert str(cannot_run("LiteRT", [none], ["no"])).startswith(expected)
