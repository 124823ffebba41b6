"""A network that a user trained in Keras 3, all the way to int8."""

import keras
import numpy as np
import pytest

import tfcompress as tfc


def network():
    """MobileNetV3-Small, cut after its fifth block, for 28x28 pictures."""
    keras.utils.set_random_seed(0)
    whole = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 1), include_top=False, alpha=0.75
    )
    backbone = keras.Model(
        whole.input, whole.get_layer("expanded_conv_5_add").output, name="backbone"
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    image = keras.Input((28, 28, 1), name="image")
    # The backbone scales its input from 0...255 to -1...1 by itself.
    x = keras.layers.ZeroPadding2D(2, name="pad")(image * 255.0)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(backbone(x))
    x = keras.layers.Dropout(0.1, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x), name="mine")


@pytest.mark.slow
def test_it_keeps_its_accuracy(tmp_path):
    data = tfc.data.load("fashion_mnist_small")
    images, labels = data.train.images.astype("float32") / 255, data.train.labels
    model = network()
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, 12 * 71)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(images.reshape(-1, 28, 28, 1), labels, 64, epochs=12, verbose=0)
    model.save(tmp_path / "mine.keras")

    loaded = tfc.load_model(tmp_path / "mine.keras")
    test = data.test.images.astype("float32").reshape(-1, 28, 28, 1) / 255
    expected = model.predict(test, verbose=0)
    assert np.allclose(loaded.predict(test, verbose=0), expected, atol=1e-4)
    before = tfc.evaluate(loaded, data).top1
    assert before == np.mean(expected.argmax(-1) == data.test.labels) > 0.8

    stage = tfc.QuantizationAware(epochs=2, learning_rate=1e-4)
    quantized = stage(loaded, tfc.Run(data=data, workdir=tmp_path / "run"))
    artifact = tfc.export_tflite(quantized, tmp_path / "mine.tflite")
    assert not artifact.audit.float_ops
    # Each hard swish is an ADD and a MUL.
    ops = artifact.audit.ops
    assert "HARD_SWISH" not in ops and min(ops["ADD"], ops["MUL"]) > 5
    after = tfc.evaluate(tmp_path / "mine.tflite", data).top1
    print(f"float {before:.4f} int8 {after:.4f}")
    assert after >= before - 0.005
