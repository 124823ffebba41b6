import pytest
import tensorflow as tf

from tfcompress.errors import ModelError
from tfcompress.loading.names import assign_names, safe_name
from tfcompress.rewriting.change import Change


def layer(name, kind="Conv2D"):
    return {"class_name": kind, "config": {"name": name}}


def model(name, *layers):
    entry = {"class_name": "Functional", "config": {"name": name}}
    entry["config"]["layers"] = list(layers)
    return entry


@pytest.mark.parametrize(
    "name",
    [
        "conv [1]",
        "_conv",
        "\x1b[1m",
        "é",
        "=1+1",
        "-a",
        "a:0",
        "/x",
        "",
        "[/]",
        "a>",
        "a\\b",
    ],
)
def test_every_safe_name_is_one_that_tensorflow_takes(name):
    with tf.Graph().as_default(), tf.name_scope(safe_name(name)) as scope:
        assert scope == safe_name(name) + "/"

    @tf.function
    def named():
        with tf.name_scope(safe_name(name)):
            return tf.random.uniform(())

    assert 0 <= named() < 1


@pytest.mark.parametrize("name", ["conv", "block1/conv_2", "../x", "a>b", "1.x", "a-b"])
def test_a_name_that_tensorflow_takes_is_kept(name):
    assert safe_name(name) == name


def test_a_name_without_end_is_cut():
    assert len(safe_name("x" * 10**6)) == 200


def test_the_outer_of_two_layers_keeps_its_name():
    entries = layer("conv"), layer("conv"), layer("conv"), layer("dense")
    nest = model("nest", entries[0], model("deep", entries[1]), entries[3])
    names, changes = assign_names(model("m", nest, entries[2])["config"])
    assert [names[id(entry)] for entry in entries] == [
        "nest_conv",
        "nest_deep_conv",
        "conv",
        "dense",
    ]
    assert changes == [
        Change("conv", "renamed to nest_conv"),
        Change("conv", "renamed to nest_deep_conv"),
    ]


def test_names_that_become_equal_are_numbered():
    entries = layer("a b"), layer("a[b")
    names, _ = assign_names(model("m", *entries)["config"])
    assert [names[id(entry)] for entry in entries] == ["a_b", "a_b_2"]


def test_models_in_models_without_end_are_refused():
    entry = model("m", layer("conv"))
    for _ in range(60):
        entry = model("m", entry)
    with pytest.raises(ModelError, match="nested too deep"):
        assign_names(entry["config"])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (model("m"), "has no layers"),
        (model("m", {"class_name": "Conv2D", "config": 3}), "architecture is damaged"),
        (model("m", {"config": {}}), "architecture is damaged"),
        (model("m", layer("")), "a Conv2D in it has no name"),
        (model("m", layer(["conv"])), "a Conv2D in it has no name"),
    ],
)
def test_damaged_entries_are_told(entry, told):
    with pytest.raises(ModelError, match=told):
        assign_names(entry["config"])
