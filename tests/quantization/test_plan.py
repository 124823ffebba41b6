import pytest
import tf_keras as keras
import tiny

from tfcompress.quantization.plan import explain, make_plan
from tfcompress.quantization.quantizers import (
    ActivationQuantizer,
    FixedRangeQuantizer,
    WeightKeeper,
)
from tfcompress.rewriting.graph import Graph

layers = keras.layers


def conv(x, name, **options):
    return layers.Conv2D(4, 3, padding="same", name=name, **options)(x)


def plan_of(build, **options):
    image = keras.Input((8, 8, 4), name="image")
    return make_plan(Graph.from_model(keras.Model(image, build(image))), **options)


def groups(plan):
    return {
        name: config.output_quantizer.group
        for name, config in plan.configs.items()
        if isinstance(config.output_quantizer, ActivationQuantizer)
    }


def test_values_are_rounded_where_an_operator_ends():
    plan = make_plan(Graph.from_model(tiny.model()))
    rounded = {name for name, config in plan.configs.items() if config.output_quantizer}
    assert rounded == {
        "stem_relu",
        "block_relu",
        "block_project",
        "block_add",
        "pool",
        "logits",
    }
    kernels = {name for name, config in plan.configs.items() if config.weight_quantizer}
    assert kernels == {"stem_conv", "block_depthwise", "block_project", "logits"}
    assert plan.configs["stem_conv"].weight_quantizer.num_channel_axes == 1
    assert plan.configs["block_depthwise"].weight_quantizer.num_channel_axes == 2
    assert plan.configs["logits"].weight_quantizer.num_channel_axes == 0
    assert plan.input_groups == ["image"] and not plan.unsupported


def test_an_output_that_two_layers_take_is_rounded_before_the_relu():
    def build(image):
        x = conv(image, "conv")
        return layers.Add(name="add")([x, layers.ReLU(name="relu")(x)])

    assert set(groups(plan_of(build))) == {"conv", "relu", "add"}


def test_tensors_that_meet_share_a_range_and_what_moves_passes_it_on():
    def build(image):
        a = layers.ReLU(name="a_relu")(conv(image, "a"))
        b = layers.MaxPooling2D(1, name="pool")(conv(image, "b"))
        x = layers.Concatenate(name="concat")([a, b])
        x = layers.AveragePooling2D(2, name="average")(x)
        return conv(x, "last")

    found = groups(plan_of(build))
    # The average is rounded again: it makes values between the steps.
    assert set(found) == {"a_relu", "b", "average", "last"}
    assert found["a_relu"] == found["b"] == found["average"] != found["last"]


def test_ranges_of_different_concatenations_are_one_where_they_overlap():
    def build(image):
        a, b, c = (conv(image, name) for name in "abc")
        first = layers.Concatenate(name="first")([a, b])
        return layers.Concatenate(name="second")([first, c])

    found = groups(plan_of(build))
    assert found["a"] == found["b"] == found["c"]


def test_what_moves_values_to_two_layers_is_rounded_for_the_converter():
    def build(image):
        x = layers.ZeroPadding2D(name="pad")(conv(image, "conv"))
        return layers.Add(name="add")(
            [
                layers.MaxPooling2D(2, name="max")(x),
                layers.AveragePooling2D(2, name="mean")(x),
            ]
        )

    found = groups(plan_of(build))
    assert found["pad"] == "conv" and "max" not in found


def test_a_sigmoid_has_the_range_of_the_runtime_and_joins_no_other():
    def build(image):
        gate = layers.Activation("sigmoid", name="gate")(conv(image, "conv"))
        return conv(layers.Concatenate()([gate, conv(image, "other")]), "last")

    plan = plan_of(build)
    gate = plan.configs["gate"].output_quantizer
    assert isinstance(gate, FixedRangeQuantizer) and gate.high == 255 / 256
    assert groups(plan) == {name: name for name in ("conv", "other", "last")}


def test_a_layer_that_is_called_twice_is_rounded_the_same_way_both_times():
    def build(image):
        shared = layers.Conv2D(4, 1, name="shared")
        x = layers.ReLU(name="relu")(shared(image))
        return shared(x)

    found = groups(plan_of(build))
    assert set(found) == {"shared", "relu"}


def test_zeros_are_kept_where_asked():
    def build(image):
        return conv(conv(image, "sparse"), "dense")

    plan = plan_of(build, keep_zeros=("sparse",))
    assert plan.configs["sparse"].weight_quantizer.keep_zeros
    assert not plan.configs["dense"].weight_quantizer.keep_zeros


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.LayerNormalization, "no int8 LayerNormalization"),
        (layers.ELU, "ELU is not known"),
        (lambda name: layers.Activation("selu", name=name), "int8 operator for selu"),
        (lambda name: layers.ReLU(name=name, threshold=1.0), "slope or bound"),
    ],
)
def test_what_has_no_int8_operator_is_said(layer, reason):
    plan = plan_of(lambda image: conv(layer(name="odd")(image), "conv"))
    assert reason in plan.unsupported["odd"]


def test_of_a_layer_in_float_the_kernel_is_kept_and_nothing_rounded():
    plan = plan_of(
        lambda image: conv(image, "conv"),
        precisions={"conv": "float"},
        keep_zeros=["conv"],
    )
    config = plan.configs["conv"]
    assert config.is_float and config.output_quantizer is None
    assert type(config.weight_quantizer) is WeightKeeper
    assert config.weight_quantizer.keep_zeros and not plan.unsupported


def test_kernels_can_have_one_scale_for_all_channels():
    def build(image):
        return layers.DepthwiseConv2D(3, name="depthwise")(conv(image, "conv"))

    configs = plan_of(build, per_channel=False).configs.values()
    assert [config.weight_quantizer.num_channel_axes for config in configs] == [0, 0]


def test_a_norm_that_stays_float_is_not_taken_into_the_convolution_before():
    def build(image):
        return layers.BatchNormalization(axis=[1, 3], name="norm")(conv(image, "conv"))

    plan = plan_of(build)
    assert set(plan.unsupported) == {"norm"} and set(groups(plan)) == {"conv", "norm"}


def test_what_no_file_can_hold_is_told_apart():
    def build(image):
        x = layers.UpSampling2D(2, interpolation="bicubic", name="up")(image)
        return layers.Dropout(0.5, name="drop")(conv(x, "conv"), training=True)

    plan = plan_of(build)
    assert not plan.unsupported and set(plan.impossible) == {"up", "drop"}
    assert "bicubic, in float neither" in plan.impossible["up"]
    assert "training=True" in plan.impossible["drop"]


def test_explain_tells_of_every_layer_what_becomes_of_it():
    image = keras.Input((8, 8, 4), name="image")
    x = layers.BatchNormalization(name="lone_norm")(image)
    x = layers.Conv2D(4, 1, activation="selu", name="odd_conv")(conv(x, "conv"))
    texts = explain(keras.Model(image, layers.Flatten(name="flat")(x)))
    assert list(texts) == ["image", "lone_norm", "conv", "odd_conv", "flat"]
    assert texts["conv"] == texts["flat"] == "yes"
    assert "Depthwise" in texts["lone_norm"]
    assert texts["odd_conv"].startswith("no: ") and "selu" in texts["odd_conv"]
