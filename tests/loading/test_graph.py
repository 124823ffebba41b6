import io
import zipfile

import h5py
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.loading import load_model, save_model


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
    # 4 values a unit and 10**10 units: 160 GB of kernel, were it made.
    change = {"units": 10**10}
    edit(saved, lambda config: layer_of(config, "logits")["config"].update(change))
    refused(saved, "declare more weights than it stores")


@pytest.mark.parametrize(
    ("layer", "change", "told"),
    [
        ("conv", {"filters": -4}, "cannot load"),
        ("conv", {"filters": 5}, "cannot load"),
        ("conv", {"strides": [0, 0]}, "cannot load"),
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
    ("layer", "source", "told"),
    [
        ("conv", "relu", "layer conv never gets its input"),
        ("relu", "conv", "No such layer: norm"),
    ],
)
def test_a_cycle_and_a_loose_layer_are_told(
    saved, edit, layer_of, refused, layer, source, told
):
    nodes = [[[source, 0, 0, {}]]]
    edit(saved, lambda config: layer_of(config, layer).update(inbound_nodes=nodes))
    refused(saved, told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: config.update(config={}), "cannot load"),
        (lambda config: config.update(class_name="Mine"), "its model is a Mine; exp"),
        (lambda config: config["config"]["layers"].clear(), "cannot load"),
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
    refused(saved, "cannot load")
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
