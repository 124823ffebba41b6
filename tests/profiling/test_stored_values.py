import numpy as np
import pytest
import small_file
from ai_edge_litert import schema_py_generated as schema

from tfcompress.errors import ModelError
from tfcompress.profiling.stored_values import (
    micro_arena,
    micro_outputs,
    reference_outputs,
)

INPUTS = np.array([[-128, -4, -3], [0, 5, 127]], np.int8).reshape(1, 1, 2, 3, 1)
# RELU at the zero point -3.
OUTPUTS = np.array([[-3, -3, -3], [0, 5, 127]], np.int8).reshape(1, 2, 3, 1)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(small_file.relu_file())
    return path


def test_litert_gives_the_output_of_each_input(path):
    outputs = reference_outputs(path, np.concatenate([INPUTS, INPUTS + 1]))
    assert outputs[0].dtype == np.int8
    np.testing.assert_array_equal(outputs[0], OUTPUTS)
    np.testing.assert_array_equal(outputs[1], np.maximum(INPUTS[0] + 1, -3))


def test_micro_gives_the_same_and_the_size_of_its_arena(path):
    (output,), arena_bytes = micro_outputs(path, INPUTS)
    np.testing.assert_array_equal(output, OUTPUTS)
    assert 100 < arena_bytes < 10_000


@pytest.mark.parametrize(
    ("run", "runtime"),
    [(reference_outputs, "LiteRT"), (micro_outputs, "TensorFlow Lite Micro")],
)
def test_what_cannot_be_run_is_one_line(path, run, runtime):
    with pytest.raises(ModelError, match=f"^{runtime} cannot run .*tflite: ") as caught:
        run(path, INPUTS[:, :, :, :2])
    assert "\n" not in str(caught.value)


def test_an_operator_that_micro_has_not_is_named(path):
    path.write_bytes(small_file.relu_file(code=schema.BuiltinOperator.RFFT2D))
    with pytest.raises(ModelError, match="layer that RFFT2D comes from"):
        micro_arena(path)
