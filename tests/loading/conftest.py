import json
import zipfile

import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model, save_model


def make_plain_model():
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(6.0, name="relu")(x)
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="plain")


@pytest.fixture
def plain_model():
    return make_plain_model()


@pytest.fixture
def saved(tmp_path, plain_model):
    """Path of a sound file that a test may damage."""
    path = tmp_path / "model.keras"
    save_model(plain_model, path)
    return path


@pytest.fixture
def edit():
    """A function that rewrites the archive at `path` with some of it changed."""

    def rewrite(path, change=lambda config: None, weights=None, extra=None):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(parts["config.json"])
        change(config)
        parts["config.json"] = json.dumps(config).encode()
        parts["model.weights.h5"] = weights or parts["model.weights.h5"]
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (parts | (extra or {})).items():
                archive.writestr(name, content)

    return rewrite


@pytest.fixture
def layer_of():
    """A function that finds the entry of a layer in a config."""

    def find(config, name):
        entries = config["config"]["layers"]
        return next(entry for entry in entries if entry["name"] == name)

    return find


@pytest.fixture
def refused():
    """A function that asserts that a file is refused, in one line that names it."""

    def check(path, match):
        with pytest.raises(ModelError, match=match) as told:
            load_model(path)
        assert "\n" not in str(told.value)
        assert path.name in str(told.value)

    return check
