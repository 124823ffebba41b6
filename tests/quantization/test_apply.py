"""The file computes what the fake-quantized model computes, for every kind of layer."""

import int8_file
import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.export.tflite import export_tflite
from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.divide import Divide
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.hard_swish import HardSwish
from tfcompress.layers.slice import Slice
from tfcompress.quantization.apply import check_quantizable, fake_quantize
from tfcompress.quantization.calibration import calibrate

layers = keras.layers
IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 4)).astype("float32")


def conv(x, filters=8, kernel=1, **options):
    return layers.Conv2D(filters, kernel, padding="same", **options)(x)


def norm(x, axis=-1):
    return layers.BatchNormalization(
        axis=axis,
        beta_initializer=keras.initializers.RandomNormal(0, 0.2, 1),
        gamma_initializer=keras.initializers.RandomNormal(1, 0.5, 2),
        moving_mean_initializer=keras.initializers.RandomNormal(0, 0.2, 3),
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2, 4),
    )(x)


def squeeze_excite(x, gate):
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = conv(layers.ReLU()(conv(y, 4)), x.shape[-1])
    return layers.Multiply()([x, gate(y)])


def residual(x):
    y = norm(conv(layers.ReLU()(norm(conv(x))), 4))
    return layers.ReLU()(layers.Add()([x, y]))


def dense_block(x):
    for _ in range(2):
        y = conv(layers.ReLU()(norm(x)), 4)
        x = layers.Concatenate()([x, y])
    return layers.AveragePooling2D(2)(norm(x))


def shuffle(x):
    x = layers.Reshape((8, 8, 2, 2))(conv(x, 4))
    x = layers.Reshape((8, 8, 4))(layers.Permute((1, 2, 4, 3))(x))
    return layers.Concatenate()([conv(x, 4), x])


def dense_head(x):
    x = norm(layers.Dense(6)(layers.Flatten()(x)))
    return layers.Softmax()(layers.Dense(5)(layers.ReLU()(x)))


# Name: what is built upon the image, and the operators that the file is to have.
BLOCKS = {
    "conv_norm_relu6": (
        lambda x: layers.ReLU(6.0)(norm(conv(x, 8, 3))),
        {"CONV_2D": 1},
    ),
    "activation_argument": (
        lambda x: conv(x, 8, 3, activation="relu"),
        {"CONV_2D": 1},
    ),
    "depthwise": (
        lambda x: layers.ReLU()(norm(layers.DepthwiseConv2D(3, 2)(x))),
        {"DEPTHWISE_CONV_2D": 1},
    ),
    "depth_multiplier": (
        lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x),
        {"DEPTHWISE_CONV_2D": 1},
    ),
    "grouped": (
        lambda x: norm(GroupedConv2D(8, 3, groups=2)(x)),
        {"CONV_2D": 1},
    ),
    "separable": (
        lambda x: norm(layers.SeparableConv2D(8, 3)(x)),
        {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1},
    ),
    "transpose": (
        lambda x: layers.ReLU()(norm(layers.Conv2DTranspose(6, 3, 2)(x))),
        {"TRANSPOSE_CONV": 1, "RELU": 1},
    ),
    "residual": (residual, {"CONV_2D": 2, "ADD": 1}),
    "squeeze_excite_sigmoid": (
        lambda x: squeeze_excite(x, layers.Activation("sigmoid")),
        {"MEAN": 1, "CONV_2D": 2, "LOGISTIC": 1, "MUL": 1},
    ),
    "hard_swish": (
        lambda x: HardSwish()(norm(conv(x))),
        {"CONV_2D": 1, "ADD": 1, "MUL": 1},
    ),
    "swish": (
        lambda x: layers.Activation("swish")(norm(conv(x))),
        {"CONV_2D": 1, "LOGISTIC": 1, "MUL": 1},
    ),
    "tanh": (lambda x: conv(x, activation="tanh"), {"CONV_2D": 1, "TANH": 1}),
    "gelu": (lambda x: conv(x, activation="gelu"), {"CONV_2D": 1, "GELU": 1}),
    "leaky": (
        lambda x: layers.LeakyReLU(0.1)(conv(x)),
        {"CONV_2D": 1, "LEAKY_RELU": 1},
    ),
    "prelu": (
        lambda x: layers.PReLU(
            shared_axes=(1, 2),
            alpha_initializer=keras.initializers.RandomUniform(0, 0.5, 1),
        )(conv(x)),
        {"CONV_2D": 1, "PRELU": 1},
    ),
    "lone_norm": (lambda x: layers.ReLU()(norm(x)), {"DEPTHWISE_CONV_2D": 1}),
    "rescaling": (
        lambda x: conv(layers.Rescaling(2.0, offset=-0.5)(x), 8, 3),
        {"DEPTHWISE_CONV_2D": 1, "CONV_2D": 1},
    ),
    "dense_block": (
        dense_block,
        {
            "CONV_2D": 2,
            "DEPTHWISE_CONV_2D": 4,
            "CONCATENATION": 2,
        },
    ),
    "shuffle": (
        shuffle,
        {"CONV_2D": 2, "RESHAPE": 2, "TRANSPOSE": 1, "CONCATENATION": 1},
    ),
    "slices": (
        lambda x: layers.Concatenate()(
            [
                Slice([[None, None, None], [None, None, None], [2, None, None]])(x),
                conv(
                    Slice([[None, None, None], [None, None, None], [None, 2, None]])(x)
                ),
            ]
        ),
        {"STRIDED_SLICE": 2, "CONV_2D": 1, "CONCATENATION": 1},
    ),
    "pools": (
        lambda x: layers.Add()(
            [
                layers.MaxPooling2D(3, 2, "same")(x),
                layers.AveragePooling2D(3, 2, "same")(x),
            ]
        ),
        {"MAX_POOL_2D": 1, "DEPTHWISE_CONV_2D": 1, "MUL": 1, "ADD": 1},
    ),
    "global_max": (
        lambda x: layers.Dense(3)(layers.GlobalMaxPooling2D()(x)),
        {"REDUCE_MAX": 1, "FULLY_CONNECTED": 1},
    ),
    "upsampling": (
        lambda x: layers.UpSampling2D(2, interpolation="bilinear")(conv(x)),
        {"CONV_2D": 1, "RESIZE_BILINEAR": 1},
    ),
    "resizing": (
        lambda x: conv(layers.Resizing(4, 4, "nearest")(x)),
        {"CONV_2D": 1, "RESIZE_NEAREST_NEIGHBOR": 1},
    ),
    "padding": (
        lambda x: conv(layers.ZeroPadding2D()(layers.Cropping2D(1)(x)), 8, 3),
        {"CONV_2D": 1, "PAD": 1, "STRIDED_SLICE": 1},
    ),
    "maximum": (
        lambda x: layers.Maximum()([conv(x), layers.Minimum()([conv(x), conv(x)])]),
        {"CONV_2D": 3, "MAXIMUM": 1, "MINIMUM": 1},
    ),
    "average_of_three": (
        lambda x: layers.Average()([conv(x), conv(x), conv(x)]),
        {"CONV_2D": 3, "ADD": 2, "DEPTHWISE_CONV_2D": 1},
    ),
    "dense_head": (dense_head, {"RESHAPE": 1, "FULLY_CONNECTED": 2, "SOFTMAX": 1}),
    "dropout": (
        lambda x: conv(layers.Dropout(0.5)(layers.ReLU()(conv(x)))),
        {"CONV_2D": 2},
    ),
    "augmentation": (
        lambda x: conv(layers.RandomFlip("horizontal")(x)),
        {"CONV_2D": 1},
    ),
    "pixel_shuffle": (
        lambda x: conv(DepthToSpace(2)(SpaceToDepth(2)(DepthToSpace(2)(conv(x))))),
        {"CONV_2D": 2, "DEPTH_TO_SPACE": 2, "SPACE_TO_DEPTH": 1},
    ),
    "crop": (
        lambda x: conv(layers.CenterCrop(4, 5)(conv(x)), 8, 3),
        {"CONV_2D": 2, "STRIDED_SLICE": 1},
    ),
    "unit_length": (
        lambda x: conv(layers.UnitNormalization()(conv(x))),
        {"CONV_2D": 2, "L2_NORMALIZATION": 1},
    ),
    "norm_of_rows": (
        lambda x: conv(norm(conv(x), axis=1)),
        {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 1, "TRANSPOSE": 2},
    ),
    "dot": (
        lambda x: layers.Dot(3)([conv(x, 4), conv(x, 4)]),
        {"CONV_2D": 2, "RESHAPE": 3, "BATCH_MATMUL": 1},
    ),
    "heads": (
        lambda x: AttentionHeads(2, 4)([layers.Reshape((8, 32))(conv(x, 4))] * 2),
        {
            "CONV_2D": 1,
            "FULLY_CONNECTED": 4,
            "BATCH_MATMUL": 2,
            "SOFTMAX": 1,
            "RESHAPE": 5,
            "TRANSPOSE": 4,
        },
    ),
    "convolution_1d": (
        lambda x: layers.Conv1D(6, 3)(layers.Reshape((64, 4))(x)),
        {"RESHAPE": 1, "CONV_2D": 1},
    ),
}


def build(block):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4), name="image")
    return keras.Model(image, block(image), name="net")


def canonical(model):
    from tfcompress.rewriting.canonical import canonicalize
    from tfcompress.rewriting.graph import Graph

    graph = Graph.from_model(model)
    canonicalize(graph)
    return graph.to_model()


# The same with the runtime's own operators, where XNNPACK has none.
BUILTIN = {
    "hard_swish": {"CONV_2D": 1, "HARD_SWISH": 1},
    "pools": {"MAX_POOL_2D": 1, "AVERAGE_POOL_2D": 1, "ADD": 1},
    "dense_block": {
        "CONV_2D": 2,
        "DEPTHWISE_CONV_2D": 3,
        "CONCATENATION": 2,
        "AVERAGE_POOL_2D": 1,
    },
}


@pytest.mark.parametrize(
    ("name", "operators"),
    [(name, "fast") for name in BLOCKS] + [(name, "builtin") for name in BUILTIN],
)
def test_the_file_computes_what_the_model_computes(name, operators, tmp_path):
    block, ops = BLOCKS[name]
    ops = ops if operators == "fast" else BUILTIN[name]
    model = canonical(build(block))
    quantized = fake_quantize(model, operators=operators)
    calibrate(quantized, IMAGES)
    artifact = export_tflite(quantized, tmp_path / "net.tflite")
    shapes = ("RESHAPE", "EXPAND_DIMS", "SHAPE", "STRIDED_SLICE", "PACK")
    found = dict(artifact.audit.ops)
    if name == "convolution_1d":
        found = {op: n for op, n in found.items() if op not in shapes}
        ops = {op: n for op, n in ops.items() if op not in shapes}
    # No QUANTIZE, so no operator whose inputs disagree, and nothing in float.
    assert found == ops and not artifact.audit.float_ops
    outputs, step = int8_file.run(tmp_path / "net.tflite", IMAGES)
    off = np.abs(outputs - quantized(IMAGES, training=False)) / step
    assert off.max() <= 2.01 and np.mean(off > 0.5) < 0.05
    # Rounding moves outputs by little; the float model is far from constant.
    plain = model(IMAGES, training=False).numpy()
    assert np.abs(outputs - plain).max() < 0.1 * np.ptp(plain)
    assert np.ptp(plain) > 20 * step


def test_layers_that_may_stay_float_are_all_that_does(tmp_path):
    def block(x):
        return conv(layers.LayerNormalization(name="norm")(conv(x)))

    model = build(block)
    with pytest.raises(ModelError, match="'norm' of 'net' cannot be quantized"):
        check_quantizable(model)
    quantized = fake_quantize(model, keep_float=("norm",))
    calibrate(quantized, IMAGES)
    artifact = export_tflite(quantized, tmp_path / "net.tflite")
    layers_in_float = {
        layer for op, layer in artifact.audit.float_ops if "QUANTIZE" not in op
    }
    assert layers_in_float == {"norm"}
    assert artifact.audit.ops["CONV_2D"] == 2
    # All of it: the converter would make a mean of int8 values int8.
    assert int8_file.steps_off(tmp_path / "net.tflite", quantized, IMAGES) <= 1.01


def test_what_is_named_is_float_in_the_file_and_all_else_int8(tmp_path):
    def block(x):
        x = conv(x)
        gate = layers.Activation("sigmoid", name="f_gate")(x)
        pool = layers.MaxPooling2D(1, name="f_pool")(x)
        x = layers.Concatenate(name="f_join")([conv(gate), conv(pool)])
        x = layers.ReLU(name="relu")(norm(conv(x, name="f_conv")))
        return conv(
            layers.GlobalAveragePooling2D(keepdims=True, name="f_mean")(conv(x))
        )

    quantized = fake_quantize(build(block), keep_float=("f_*",))
    calibrate(quantized, IMAGES)
    audit = export_tflite(quantized, tmp_path / "net.tflite").audit
    types = {(p.layer[:2] == "f_", p.activations, p.weights) for p in audit.precisions}
    kernels = {(True, "float32", "float32"), (False, "int8", "int8")}
    assert types == {*kernels, (True, "float32", None)}
    # Marks of the converter's between the two are not left in the file.
    assert set(audit.ops) == {
        *("CONV_2D", "LOGISTIC", "MAX_POOL_2D", "CONCATENATION", "MEAN"),
        *("QUANTIZE", "DEQUANTIZE"),
    }
    assert int8_file.steps_off(tmp_path / "net.tflite", quantized, IMAGES) <= 2.01


def test_a_quotient_is_exact_where_it_may_stay_float(tmp_path):
    def block(x):
        gate = layers.Activation("sigmoid")(conv(x, 1))
        return conv(Divide(name="quotient")([conv(x), gate]))

    model = build(block)
    quantized = fake_quantize(model, keep_float=("quotient",))
    calibrate(quantized, IMAGES)
    path = tmp_path / "net.tflite"
    float_ops = export_tflite(quantized, path).audit.float_ops
    assert {layer for op, layer in float_ops if "QUANTIZE" not in op} == {"quotient"}
    assert int8_file.steps_off(path, quantized, IMAGES) <= 1.01


def test_what_no_file_can_hold_is_refused_whatever_may_stay_float():
    model = build(lambda x: layers.UpSampling2D(2, interpolation="area")(x))
    with pytest.raises(ModelError, match=r"cannot be exported.*area, in float neither"):
        check_quantizable(model, keep_float=("*",))


def test_an_activation_inside_a_layer_may_stay_float_by_the_name_of_the_layer():
    model = build(lambda x: layers.Conv2D(8, 1, activation="elu", name="wide")(x))
    with pytest.raises(ModelError, match="'wide_activation' of 'net'"):
        check_quantizable(model)
    check_quantizable(model, keep_float=("wide",))


def test_a_float_layer_with_an_automatic_name_is_known_by_it_in_the_file(tmp_path):
    # Elsewhere in this process, so that the number of the next is not 0.
    layers.LayerNormalization()
    model = build(lambda x: conv(layers.LayerNormalization()(conv(x))))
    (name,) = (x.name for x in model.layers if x.name.startswith("layer_norm"))
    assert name[-1].isdigit()
    quantized = fake_quantize(model, keep_float=(name,))
    calibrate(quantized, IMAGES)
    audit = export_tflite(quantized, tmp_path / "net.tflite").audit
    found = {layer for op, layer in audit.float_ops if "QUANTIZE" not in op}
    assert found == {"layer_normalization"}


def test_the_model_stays_as_it_was():
    model = tiny.model()
    names = [layer.name for layer in model.layers]
    before = model.get_weights()
    fake_quantize(model)
    assert [layer.name for layer in model.layers] == names
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)
    assert all(not layer.name.startswith("quant") for layer in model.layers)
