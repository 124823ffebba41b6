import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.architecture import read_architecture, symbol_of
from tfcompress.loading.graph import flatten
from tfcompress.loading.parts import Maker


def layer(name, source=None, kind="ReLU", **config):
    nodes = [[[source, 0, 0, {}]]] if source else []
    config["name"] = name
    return {"class_name": kind, "config": config, "inbound_nodes": nodes}


def image(name="image"):
    return layer(name, kind="InputLayer", batch_input_shape=[None, 4])


def model(name, *layers, end=None):
    config = {"name": name, "layers": list(layers)}
    config |= {"input_layers": [[layers[0]["config"]["name"], 0, 0]]}
    config |= {"output_layers": [end or [layers[-1]["config"]["name"], 0, 0]]}
    return {"class_name": "Functional", "config": config}


def read(entry):
    return read_architecture(entry, Maker({}, keras_3=False))


def test_layers_and_calls_are_read():
    architecture = read(model("m", image(), layer("a", "image"), layer("b", "a")))
    assert [spec.name for spec in architecture.specs()] == ["image", "a", "b"]
    graph, changes = flatten(architecture, keras_3=False)
    assert [node.name for node in graph.nodes] == ["image", "a", "b"]
    assert graph.outputs == [graph.nodes[2].output]
    assert not changes


def test_models_that_call_models_twice_are_refused_before_they_fill_memory():
    """30 models, each calling the one before twice: 2**30 calls of one layer."""
    inner = model("m0", image(), layer("relu", "image"))
    for depth in range(1, 31):
        name = inner["config"]["name"]
        inner["inbound_nodes"] = [[["image", 0, 0, {}]], [[name, 1, 0, {}]]]
        end = [name, 2, 0]
        inner = model(f"m{depth}", image(), inner, end=end)
    with pytest.raises(ModelError, match="too many calls"):
        flatten(read(inner), keras_3=False)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (3, "its architecture is damaged"),
        ({"class_name": "Functional"}, "its architecture is damaged"),
        (model("m", image()) | {"class_name": "Mine"}, "its model is a Mine; expected"),
        (
            model("m", image(), model("inner", image()) | {"class_name": "Mine"}),
            "layer inner uses Mine",
        ),
        (
            {
                "class_name": "Sequential",
                "config": {"name": "m", "layers": [layer("a")]},
            },
            "its model has no input shape",
        ),
        (model("m", image(), layer("loose"), end=["image", 0, 0]), "loose is never ca"),
        (model("m", image(), end=["image"]), "has no inputs or no outputs"),
        (model("m", layer("x", kind="InputLayer")), "input x has no sound shape"),
        (
            model("m", layer("x", kind="InputLayer", batch_input_shape=[None, -3])),
            "input x has no sound shape",
        ),
        (
            model("m", layer("x", kind="InputLayer", batch_shape=[None, 3], sparse=1)),
            "input x is sparse or ragged",
        ),
    ],
)
def test_what_makes_no_model_is_told(entry, told):
    with pytest.raises(ModelError, match=told):
        read(entry)


@pytest.mark.parametrize(
    ("entry", "keras_3", "symbol"),
    [
        (layer("a"), True, ""),
        (layer("a", kind="Add", dtype="float32"), True, ""),
        (layer("a", kind="Add"), True, "keras.src.ops.numpy.Add"),
        (layer("a", kind="Add"), False, ""),
        (layer("a", kind="Add") | {"module": "keras.layers"}, True, ""),
        (
            layer("a", kind="Add") | {"module": "keras.src.ops.numpy"},
            True,
            "keras.src.ops.numpy.Add",
        ),
        (layer("a", kind="TFOpLambda", function="math.add"), False, "tf.math.add"),
        (layer("a", kind="CustomScaleLayer"), False, "CustomScaleLayer"),
    ],
)
def test_operations_are_told_from_layers(entry, keras_3, symbol):
    assert symbol_of(entry, keras_3) == symbol


def test_a_layer_called_with_a_list_of_one_stays_so():
    architecture = read(model("m", image(), layer("sum", "image", kind="Add")))
    graph, _ = flatten(architecture, keras_3=False)
    assert graph.nodes[1].is_list
    assert isinstance(graph.nodes[1].layer, keras.layers.Add)
