"""A vision transformer of built-in layers, of either Keras, goes through everything."""

import int8_file
import keras as keras_3
import numpy as np
import pytest
import realistic
import tensorflow as tf
import tf_keras as keras

import tfcompress as tfc
from tfcompress.errors import ModelError

SIDE, PATCH, WIDTH, DEPTH = 28, 7, 32, 2
NUM_TOKENS = (SIDE // PATCH) ** 2


def vision_transformer(library):
    library.utils.set_random_seed(0)
    layers = library.layers
    positions = np.random.default_rng(0).normal(0, 0.3, (1, NUM_TOKENS, WIDTH))
    positions = positions.astype("float32")
    image = library.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patches")(image)
    x = layers.Reshape((NUM_TOKENS, WIDTH), name="tokens")(x)
    x = x + (positions if library is keras_3 else tf.constant(positions))
    for block in range(DEPTH):
        y = layers.LayerNormalization(name=f"norm_{block}a")(x)
        heads = layers.MultiHeadAttention(4, WIDTH // 4, name=f"attention_{block}")
        x = layers.Add()([x, heads(y, y)])
        y = layers.LayerNormalization(name=f"norm_{block}b")(x)
        y = layers.Dense(2 * WIDTH, activation="gelu", name=f"wide_{block}")(y)
        x = layers.Add()([x, layers.Dense(WIDTH, name=f"narrow_{block}")(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(name="norm")(x))
    return library.Model(image, layers.Dense(10, name="logits")(x), name="vit")


@pytest.mark.slow
@pytest.mark.parametrize("library", [keras, keras_3])
def test_a_vision_transformer_goes_through_everything(library, tmp_path):
    model = tfc.load_model(vision_transformer(library))
    norms = {layer.name for layer in model.layers if layer.name.startswith("norm")}
    rows = tfc.diagnose(model).rows
    assert {row.name for row in rows if row.int8_export.startswith("no")} == norms
    images = realistic.pictures(32, (SIDE, SIDE, 3))
    realistic.make_realistic(model, images)
    labels = np.arange(32) % 10
    data = tfc.data.from_arrays(
        (images, labels), (images[:16], labels[:16]), validation_fraction=0.4
    )
    run = tfc.Run(data=data, workdir=tmp_path, seed=0)
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(model, run)
    assert tfc.profile(pruned).totals.sparsity == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ModelError, match=r"'norm_0a' .* no int8 LayerNormalization"):
        tfc.QuantizationAware(epochs=1)(pruned, run)
    stage = tfc.QuantizationAware(
        epochs=1, batch_size=8, learning_rate=1e-5, keep_float=("norm*",)
    )
    quantized = stage(pruned, run)
    audit = tfc.export_tflite(quantized, tmp_path / "vit.tflite").audit
    in_float = {layer for op, layer in audit.float_ops if "QUANTIZE" not in op}
    assert in_float == norms
    assert audit.ops["BATCH_MATMUL"] == 2 * DEPTH and audit.ops["SOFTMAX"] == DEPTH
    assert int8_file.steps_off(tmp_path / "vit.tflite", quantized, images) <= 4.01
