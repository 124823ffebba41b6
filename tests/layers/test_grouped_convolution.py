import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tfcompress as tfc
from tfcompress.layers.grouped_convolution import GroupedConv2D

CASES = [
    {"kernel_size": 1, "groups": 4, "use_bias": False},
    {"kernel_size": 1, "groups": 2, "strides": 2, "activation": "relu"},
    {"kernel_size": 3, "groups": 8, "strides": 2, "padding": "same"},
    {"kernel_size": 3, "groups": 2, "dilation_rate": 2, "padding": "same"},
    {"kernel_size": (1, 5), "groups": 4},
]


def outputs_and_gradients(layer, x):
    """Returns the output, and the gradients by input and weights of a weighted sum."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x)
        # Weighted, so that channels in another order would not give the same.
        weights = np.sin(np.arange(tf.size(outputs))).reshape(outputs.shape)
        total = tf.reduce_sum(outputs * tf.constant(weights, x.dtype))
    return [outputs, *tape.gradient(total, [x, *layer.trainable_weights])]


# TensorFlow has no gradient of its own in float64, so that is the way by groups.
@pytest.mark.parametrize(
    ("settings", "dtype"),
    [(settings, "float32") for settings in CASES]
    + [(settings, "float64") for settings in CASES[1:3]],
)
def test_output_and_gradient_are_those_of_keras(settings, dtype):
    keras.utils.set_random_seed(0)
    theirs = keras.layers.Conv2D(16, dtype=dtype, name="conv", **settings)
    ours = GroupedConv2D.from_config(theirs.get_config())
    x = tf.random.normal((2, 9, 9, 8), dtype=dtype)
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    expected = outputs_and_gradients(theirs, x)
    for a, b in zip(outputs_and_gradients(ours, x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_config_and_weights_are_those_of_keras():
    settings = {"filters": 12, "kernel_size": 3, "groups": 4, "strides": 2, "name": "c"}
    theirs, ours = keras.layers.Conv2D(**settings), GroupedConv2D(**settings)
    assert ours.get_config() == theirs.get_config()
    theirs.build((None, 8, 8, 8))
    ours.build((None, 8, 8, 8))
    assert [(w.name, w.shape) for w in ours.weights] == [
        ("kernel:0", (3, 3, 2, 12)),
        ("bias:0", (12,)),
    ]
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]


def model():
    inputs = keras.Input((8, 8, 8), name="image")
    x = GroupedConv2D(12, 3, groups=4, use_bias=False, name="grouped")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x), name="small")


def test_training_step_holds_no_xla():
    net = model()

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(net(x, training=True))
        return tape.gradient(total, net.trainable_weights)

    graph = step.get_concrete_function(tf.TensorSpec((2, 8, 8, 8))).graph
    definition = graph.as_graph_def()
    nodes = [
        *definition.node,
        *(n for f in definition.library.function for n in f.node_def),
    ]
    assert sum(node.op == "Conv2DBackpropFilter" for node in nodes) == 1
    assert not any(node.attr["_XlaMustCompile"].b for node in nodes)


def test_becomes_one_convolution_of_a_file_that_computes_the_same(tmp_path):
    net = model()
    audit = tfc.export_tflite(net, tmp_path / "m.tflite", quantization="float32").audit
    assert audit.ops == {"CONV_2D": 1, "MEAN": 1, "FULLY_CONNECTED": 1}
    profile = tfc.profile(tmp_path / "m.tflite", latency=False)
    # 6x6 positions, a 3x3x2 kernel of 12 filters; 12 inputs of 2 classes.
    assert profile.totals.macs == 36 * 18 * 12 + 24 == tfc.profile(net).totals.macs


def test_prunes(tmp_path):
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 8)).astype("float32")
    data = tfc.data.from_arrays((images, np.arange(8) % 2), (images, np.arange(8) % 2))
    run = tfc.Run(data=data, workdir=tmp_path)
    pruned = tfc.Pruning(epochs=0, final_sparsity=0.75)(model(), run)
    assert type(pruned.get_layer("grouped")) is GroupedConv2D
    # 3x3x2 weights of 12 filters.
    assert np.sum(pruned.get_layer("grouped").kernel == 0) == 0.75 * 216


def test_survives_saving(tmp_path):
    net = model()
    net.save(tmp_path / "m.keras")
    restored = keras.models.load_model(tmp_path / "m.keras")
    assert type(restored.get_layer("grouped")) is GroupedConv2D
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype("float32")
    np.testing.assert_array_equal(restored(x), net(x))


WITHOUT_ONEDNN = """
import numpy as np, tf_keras as keras
from tfcompress.layers.grouped_convolution import GroupedConv2D, _has_gradient
assert not _has_gradient("float32")
inputs = keras.Input((8, 8, 8))
x = GroupedConv2D(12, 3, groups=4, activation="relu")(inputs)
model = keras.Model(inputs, keras.layers.BatchNormalization()(x))
model.compile("sgd", "mse")
x, y = np.ones((4, 8, 8, 8), "float32"), np.ones((4, 6, 6, 12), "float32")
losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
model.evaluate(x, y, verbose=0)
"""


@pytest.mark.slow
def test_trains_and_infers_without_onednn():
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}
    subprocess.run([sys.executable, "-c", WITHOUT_ONEDNN], env=environment, check=True)
