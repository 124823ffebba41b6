import pytest
import tf_keras as keras
import tiny

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.precision_change import PrecisionChange
from tfcompress.quantization.float_layers import change_precision, find_precisions
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.prepare import prepare_for_quantization

layers = keras.layers


def find(model, *patterns):
    graph = Graph.from_model(model)
    prepare_for_quantization(graph)
    names = [layer.name for layer in model.layers]
    return graph, find_precisions(graph, names, patterns)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("stem_conv", {"stem_conv", "stem_norm", "stem_relu"}),
        ("stem_norm", {"stem_norm", "stem_relu"}),
        ("*_relu", {"stem_relu", "block_relu"}),
        ("block_add", {"block_add"}),
    ],
)
def test_what_ends_in_the_same_operator_is_float_too(pattern, expected):
    assert find(tiny.model(), pattern)[1] == dict.fromkeys(expected, "float")


def test_what_a_layer_is_rewritten_to_goes_by_its_name():
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Conv2D(4, 3, activation="swish", name="wide")(image)
    model = keras.Model(image, layers.Dropout(0.5, name="drop")(x), name="net")
    graph, found = find(model, "wide")
    # All of it, and the dropout behind, which is gone in the file.
    assert found.keys() == graph.names() - {"image"} and len(found) > 3


def test_a_pattern_that_names_nothing_is_refused():
    image = keras.Input((8, 8, 2), name="image")
    x = layers.Rescaling(2.0, name="scale")(layers.Conv2D(4, 3, name="conv")(image))
    model = keras.Model(image, x, name="net")
    with pytest.raises(InvalidArgumentError, match="no layer of 'net' is called 'od"):
        find(model, "odd*")
    with pytest.raises(InvalidArgumentError, match=r"'scale' names .* folded into"):
        find(model, "scale")
    with pytest.raises(InvalidArgumentError, match=r"'image' names .* being the input"):
        find(model, "image")


def changes(*patterns):
    graph, found = find(tiny.model(), *patterns)
    change_precision(graph, found)
    return {
        node.name: [taker.name for taker in graph.consumers(node.output)]
        for node in graph.nodes
        if isinstance(node.layer, PrecisionChange)
    }, graph


def test_precision_changes_at_the_borders_only():
    found, _ = changes("block_project", "block_add")
    # Between the two in float nothing stands; the other input of the sum is int8.
    assert found == {
        "block_relu_to_float": ["block_project", "block_add"],
        "block_add_to_int8": ["pool"],
    }


def test_layers_of_both_kinds_behind_one_in_float_each_get_theirs():
    found, graph = changes("block_depthwise", "block_add")
    assert found["block_relu_to_int8"] == ["block_project"]
    (add,) = (node for node in graph.nodes if node.name == "block_add")
    assert [tensor.node.name for tensor in add.inputs] == [
        "block_relu",
        "block_project_to_float",
    ]


def test_input_and_output_of_the_model_count_as_int8():
    found, graph = changes("*")
    assert found == {"image_to_float": ["stem_conv"], "logits_to_int8": []}
    assert [tensor.node.name for tensor in graph.outputs] == ["logits_to_int8"]
