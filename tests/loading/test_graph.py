import io
import zipfile

import h5py
import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model, save_model
from tfcompress.loading.load import load
from tfcompress.rewriting.change import Change


def test_a_layer_frozen_in_inference_mode_stays_so(tmp_path):
    image = keras.Input((8, 8, 3))
    norm = keras.layers.BatchNormalization(momentum=0.0)
    model = keras.Model(image, norm(image, training=False))
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    before = loaded.get_weights()
    loaded(np.ones((2, 8, 8, 3), "float32"), training=True)
    np.testing.assert_array_equal(loaded.get_weights(), before)


def test_a_config_that_declares_more_than_is_stored_is_refused(
    saved, edit, layer_of, refused
):
    # 144 values a unit: 144 million, were the kernel made; the outputs are 4 MB.
    change = {"units": 10**6}
    edit(saved, lambda config: layer_of(config, "logits")["config"].update(change))
    refused(saved, "declare more weights than it stores")


@pytest.mark.parametrize(
    ("layer", "change", "told"),
    [
        ("conv", {"filters": -4}, "layer conv cannot be made: Invalid value"),
        ("conv", {"filters": 5}, "conv have the shapes 3x3x3x4, 4, its settings say"),
        ("conv", {"strides": [0, 0]}, "layer conv cannot be made: .*strides"),
        ("logits", {"units": 0}, "layer logits cannot be called with"),
        ("conv", {"kernel_size": [9, 9]}, "layer conv cannot be called with an input"),
        ("conv", {"data_format": "channels_first"}, "layer conv has its channels fi"),
        ("conv", {"name": "norm"}, "two layers of its model are named norm"),
        ("relu", {"no_such_option": 1}, "which tf_keras has not"),
    ],
)
def test_a_layer_that_cannot_be_is_told(
    saved, edit, layer_of, refused, layer, change, told
):
    edit(saved, lambda config: layer_of(config, layer)["config"].update(change))
    refused(saved, told)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("relu", "layer conv never gets its input"),
        ("none", "takes its input from none: no such layer"),
    ],
)
def test_a_cycle_and_a_loose_end_are_told(saved, edit, layer_of, refused, source, told):
    nodes = [[[source, 0, 0, {}]]]
    edit(saved, lambda config: layer_of(config, "conv").update(inbound_nodes=nodes))
    refused(saved, told)


def test_a_layer_that_no_output_depends_on_is_left_out(saved, edit, layer_of):
    nodes = [[["conv", 0, 0, {}]]]
    edit(saved, lambda config: layer_of(config, "relu").update(inbound_nodes=nodes))
    loaded = load(saved)
    assert Change("norm", "removed: no output depends on it") in loaded.changes
    assert "norm" not in [layer.name for layer in loaded.model.layers]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: config.update(config={}), "its architecture is damaged"),
        (lambda config: config.update(class_name="Mine"), "its model is a Mine; exp"),
        (lambda config: config["config"]["layers"].clear(), "its model has no layers"),
    ],
)
def test_a_config_that_makes_no_model_is_told(saved, edit, refused, change, told):
    edit(saved, change)
    refused(saved, told)


def test_weights_that_no_layer_takes_are_told(
    saved, plain_model, edit, layer_of, refused
):
    def rename(config):
        layer_of(config, "conv")["class_name"] = "SeparableConv2D"

    edit(saved, rename)
    refused(saved, "it holds no weights of layer conv")
    with zipfile.ZipFile(saved) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    save_model(plain_model, saved)
    with h5py.File(content, "a") as hdf5:
        hdf5["layers/conv2d_7/vars/0"] = np.zeros(3)
    edit(saved, weights=content.getvalue())
    refused(saved, "weights of layers/conv2d_7, which the model has not")


def test_nan_in_the_weights_is_told(saved, plain_model, refused):
    model = plain_model
    model.get_layer("logits").bias.assign([np.nan, 0.0, 0.0])
    save_model(model, saved)
    refused(saved, "the weights of logits hold NaN or infinity")


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize(
    ("settings", "call", "told"),
    [
        ({}, {"use_causal_mask": True}, "use_causal_mask"),
        ({}, {"attention_mask": np.ones((1, 5, 5))}, "attention_mask"),
        ({"attention_axes": (2,)}, {}, "attends along other axes"),
    ],
)
def test_attention_that_no_plain_layers_do_is_refused(library, settings, call, told):
    tokens = library.layers.Input((5, 6))
    heads = library.layers.MultiHeadAttention(2, 3, name="heads", **settings)
    model = library.Model(tokens, heads(tokens, tokens, **call))
    with pytest.raises(ModelError, match=f"layer heads .*{told}"):
        load_model(model)


def test_the_scores_of_attention_count_against_the_budget():
    tokens = keras.Input((1000, 2))
    model = keras.Model(tokens, keras.layers.MultiHeadAttention(8, 2)(tokens, tokens))
    load_model(model, check_outputs=False, max_bytes=2**30)
    with pytest.raises(ModelError, match=r"multi_head_attention.* needs .* GiB"):
        # 8 heads of 1000 x 1000 scores, and as many weights: 64 MB.
        load_model(model, check_outputs=False, max_bytes=50 * 10**6)


def test_attention_with_what_only_keras_3_has_is_refused():
    tokens = keras_3.layers.Input((5, 6))
    heads = keras_3.layers.MultiHeadAttention(2, 3, use_gate=True, name="heads")
    told = "layer heads is a MultiHeadAttention with use_gate=True"
    with pytest.raises(ModelError, match=told):
        load_model(keras_3.Model(tokens, heads(tokens, tokens)))
