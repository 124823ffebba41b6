import numpy as np
import pytest
import tensorflow as tf

from tfcompress.errors import DataError
from tfcompress.training.op_errors import data_error, reason


def failed(function):
    """Returns the error that a map of tf.data over `function` ends with."""
    stream = tf.data.Dataset.from_tensors(tf.range(6)).map(function)

    @tf.function
    def total():
        return stream.reduce(0, lambda total, batch: total + tf.reduce_sum(batch))

    with pytest.raises(tf.errors.OpError) as error:
        total()
    return error.value


def test_cause_is_found_among_frames_and_nodes():
    error = failed(lambda batch: tf.reshape(batch, [batch[4], -1]))
    assert len(error.message.splitlines()) > 1
    said = "Input to reshape is a tensor with 6 values, but the requested shape"
    assert said in reason(error)
    assert "\n" not in reason(error)
    assert "{{" not in reason(error)
    assert data_error(error) is None


def test_eager_op_has_neither_prefix_nor_suffix():
    with pytest.raises(tf.errors.OpError) as error:
        tf.io.read_file("/nowhere/a")
    assert error.value.message.startswith("{{function_node")
    assert reason(error.value) == "/nowhere/a; No such file or directory"


@pytest.mark.parametrize(
    ("message", "expected"), [("", "AbortedError"), ("one\n\ttwo.", "two")]
)
def test_short_messages(message, expected):
    assert reason(tf.errors.AbortedError(None, None, message)) == expected


def test_data_error_is_found_inside():
    def read(batch):
        raise DataError(f"a.png: picture {batch[0]} is gone; put it back.")

    error = failed(lambda batch: tf.numpy_function(read, [batch], np.int32))
    found = data_error(error)
    assert isinstance(found, DataError)
    assert str(found) == "a.png: picture 0 is gone; put it back."
