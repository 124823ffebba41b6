import tf_keras

from tfcompress.profiling.keras_calls import Call, size


def test_kinds_are_the_class_and_what_it_inherits_from():
    call = Call(tf_keras.layers.DepthwiseConv2D(3), "x", [], [], 0)
    assert call.kind == "DepthwiseConv2D"
    assert {"DepthwiseConv2D", "Layer"} <= call.kinds


def test_open_sides_count_as_one():
    assert size((None, 3, 4)) == 12
