import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from tfcompress.export.audit import audit_graphs
from tfcompress.export.precision_changes import without_precision_changes
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.profiling.tflite_graph import parse_tflite

layers = keras.layers


def converted(behind):
    """A float file: conv, mark, mark, a leaky ReLU of the user's, and what follows."""
    image = keras.Input((4, 4, 2), batch_size=1, name="image")
    x = PrecisionChange("float")(layers.Conv2D(3, 1, name="conv")(image))
    x = layers.LeakyReLU(0.25, name="leaky")(PrecisionChange("int8")(x))
    model = keras.Model(image, behind(x))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def run(content, image):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize(
    "behind", [lambda x: layers.Conv2D(2, 1)(x), PrecisionChange("int8")]
)
def test_only_the_marks_are_taken_out(behind):
    before = converted(behind)
    after = without_precision_changes(before)
    counts = [
        audit_graphs(parse_tflite(f, "m")).ops["LEAKY_RELU"] for f in (before, after)
    ]
    assert counts[1] == 1 and counts[0] in (3, 4)
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(run(after, image), run(before, image), atol=1e-6)
    (graph,) = parse_tflite(after, "m")
    used = {id(tensor) for op in graph.ops for tensor in op.tensors}
    assert all(id(tensor) in used for tensor in graph.tensors)


def test_a_file_without_marks_stays_as_it_is():
    after = without_precision_changes(converted(layers.Conv2D(2, 1)))
    assert without_precision_changes(after) is after
