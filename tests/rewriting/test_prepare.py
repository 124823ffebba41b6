import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.rewriting.canonical import canonicalize
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.linear import KERNEL_LAYERS
from tfcompress.rewriting.prepare import prepare_for_quantization

layers = keras.layers


def kinds(model):
    return {layer.name: type(layer).__name__ for layer in model.layers}


def squeeze_and_excite(x, channels):
    y = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    y = layers.Conv2D(2, 1, activation="relu", name="squeeze")(y)
    y = HardSigmoid(name="gate")(layers.Conv2D(channels, 1, name="excite")(y))
    return layers.Multiply(name="scaled")([x, y])


def network():
    """A bit of everything: MobileNetV3, ResNetV2, EfficientNet, a classifier."""
    image = keras.Input((8, 8, 3), name="image", dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1.0, name="rescale")(image)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = squeeze_and_excite(HardSwish(name="stem_swish")(x), 6)
    x = layers.Conv2D(6, 1, name="project")(x)
    y = layers.Activation("relu", name="relu")(layers.BatchNormalization(name="pre")(x))
    y = layers.Conv2D(6, 3, padding="same", activation="swish", name="conv")(y)
    x = layers.Add(name="sum")([x, y, y])
    x = layers.Flatten(name="flat")(layers.AveragePooling2D(4, name="average")(x))
    x = layers.BatchNormalization(name="post")(x)
    x = layers.Dense(3, name="logits")(layers.Dropout(0.5, name="dropout")(x))
    return keras.Model(image, x, name="network")


PREPARED = {
    "image": "InputLayer",
    "stem": "Conv2D",
    "stem_norm": "BatchNormalization",
    "stem_swish_gate": "HardSwishGate",
    "stem_swish": "Multiply",
    "pool": "GlobalAveragePooling2D",
    "squeeze": "Conv2D",
    "squeeze_activation": "ReLU",
    "excite": "Conv2D",
    "gate_relu6": "ReLU",
    "scaled": "Multiply",
    "project": "Conv2D",
    "pre": "DepthwiseConv2D",
    "relu": "ReLU",
    "conv": "Conv2D",
    "conv_activation_sigmoid": "Activation",
    "conv_activation": "Multiply",
    "sum_0": "Add",
    "sum": "Add",
    "average": "WindowAverage",
    "flat": "Flatten",
    "dropout": "Dropout",
    "logits": "Dense",
}


def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def test_a_network_comes_out_ready_for_integers(rewritten, randomize):
    model = network()
    randomize(model)
    result, changes = rewritten(model, prepare_for_quantization, images=pixels())
    assert kinds(result) == PREPARED | {"rescale": "DepthwiseConv2D"}
    assert {change.layer for change in changes} == {
        "image", "rescale", "squeeze", "gate", "gate_shift", "pre", "relu", "conv",
        "squeeze_activation", "conv_activation", "post", "sum", "average",
        "stem_swish", "stem_swish_scaled",
    }  # fmt: skip


def test_the_preprocessing_can_be_folded_if_nothing_is_padded(rewritten, randomize):
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1.0)(image)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=2.0)(x)
    model = keras.Model(image, layers.Conv2D(4, 3, 2, name="stem")(x))
    randomize(model)

    def fold(graph):
        return prepare_for_quantization(graph, preprocessing="fold")

    result, _ = rewritten(model, fold, images=pixels().astype("float32"))
    assert kinds(result) == {"image": "InputLayer", "stem": "Conv2D"}
    with pytest.raises(InvalidArgumentError, match="cannot be folded"):
        fold(Graph.from_model(network()))


def test_the_runtimes_own_operators_stay_if_asked_for(rewritten, randomize):
    model = network()
    randomize(model)

    def prepare(graph):
        return prepare_for_quantization(graph, operators="builtin")

    result, _ = rewritten(model, prepare, images=pixels().astype("float32"))
    expected = PREPARED | {"stem_swish": "HardSwish", "average": "AveragePooling2D"}
    del expected["stem_swish_gate"]
    assert {k: v for k, v in kinds(result).items() if k in expected} == expected


def test_other_words_for_the_settings_are_refused():
    graph = Graph.from_model(network())
    with pytest.raises(InvalidArgumentError, match="expected one of fast, builtin"):
        prepare_for_quantization(graph, operators="slow")
    with pytest.raises(InvalidArgumentError, match="expected one of keep, fold"):
        prepare_for_quantization(graph, preprocessing="drop")


def test_a_prepared_graph_stays_as_it_is(rewritten, randomize):
    model = network()
    randomize(model)
    graph = Graph.from_model(model)
    prepare_for_quantization(graph)
    images = pixels().astype("float32")
    prepared = graph.to_model()
    assert rewritten(prepared, prepare_for_quantization, images=images)[1] == []


def plain(model):
    """Makes Rescalings of the sums and products with numbers in MobileNetV3."""
    values = {id(model.input): model.input}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for call in model._nodes_by_depth[depth]:
            if call.is_input:
                continue
            layer, (given, *others) = call.layer, call.call_args
            given = tf.nest.map_structure(lambda tensor: values[id(tensor)], given)
            if type(layer).__name__ == "TFOpLambda":
                number = others[0] if others else call.call_kwargs["y"]
                numbers = (1.0, number) if "add" in layer.name else (number, 0.0)
                layer = layers.Rescaling(*numbers, name=layer.name.replace(".", "_"))
            values[id(call.outputs)] = layer(given)
    return keras.Model(model.input, values[id(model.output)])


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV3Small",
        pytest.param("EfficientNetB0", marks=pytest.mark.slow),
        pytest.param("ResNet50V2", marks=pytest.mark.slow),
        pytest.param("DenseNet121", marks=pytest.mark.slow),
        pytest.param("Xception", marks=pytest.mark.slow),
    ],
)
def test_outputs_of_real_networks_stay_equal(rewritten, name):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(96, 96, 3), classes=10, classifier_activation=None
    )
    images = random.uniform(-1, 1, (4, 96, 96, 3)).astype("float32")
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
            for weight in layer.trainable_weights:
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
    # Statistics of what passes through keep deep random networks from dying out.
    model(images, training=True)
    result, _ = rewritten(
        plain(model), canonicalize, prepare_for_quantization, images=images
    )
    unwanted = (layers.Rescaling, layers.Normalization, layers.SeparableConv2D)
    assert not [layer for layer in result.layers if isinstance(layer, unwanted)]
    for layer in result.layers:
        if isinstance(layer, layers.BatchNormalization):
            before = layer.inbound_nodes[0].inbound_layers
            assert type(before) in KERNEL_LAYERS
