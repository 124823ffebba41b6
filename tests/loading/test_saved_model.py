import numpy as np
import pytest
import tf_keras as keras
from tf_keras.protobuf import saved_metadata_pb2

from tfcompress.errors import ModelError
from tfcompress.loading import load_model

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A trained model with models in it, and the folder it was saved to."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    deep = keras.Sequential([layers.Conv2D(2, 1), layers.BatchNormalization()])
    nest = keras.Sequential([layers.Input((8, 8, 4)), layers.ReLU(), deep])
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.Concatenate()([nest(x) * 2.0, layers.SeparableConv2D(2, 1)(x)])
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    model.compile("adam", "mse")
    model.fit(IMAGES, np.zeros((2, 3)), verbose=0)
    path = tmp_path_factory.mktemp("saved") / "model"
    model.save(path, save_format="tf")
    return model, path


@pytest.fixture
def folder(written, tmp_path):
    """A copy of it that a test may damage."""
    for file in written[1].rglob("*"):
        if file.is_file():
            to = tmp_path / "model" / file.relative_to(written[1])
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    return tmp_path / "model"


def test_weights_of_all_depths_are_found(written):
    model, path = written
    expected = model(IMAGES, training=False)
    np.testing.assert_allclose(load_model(path)(IMAGES), expected, atol=1e-6)


def test_the_graph_is_never_read(folder, written):
    (folder / "saved_model.pb").write_bytes(b"no graph")
    expected = written[0](IMAGES, training=False)
    np.testing.assert_allclose(load_model(folder)(IMAGES), expected, atol=1e-6)


def cut(name, keep=0.5):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return damage


def remove(name):
    return lambda folder: (folder / name).unlink()


def link(folder):
    (folder / "variables" / "other").symlink_to("/etc/hostname")


def subclassed(folder):
    metadata = saved_metadata_pb2.SavedMetadata()
    node = metadata.nodes.add(node_path="root")
    node.metadata = '{"class_name": "Mine", "config": null}'
    (folder / "keras_metadata.pb").write_bytes(metadata.SerializeToString())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (link, "is a link to elsewhere"),
        (remove("keras_metadata.pb"), r"without Keras' description .*model\.save\("),
        (remove("saved_model.pb"), "is a folder, but no SavedModel"),
        (remove("variables/variables.index"), "variables are missing, cut short"),
        (cut("keras_metadata.pb"), "keras_metadata.pb is cut short or damaged"),
        (cut("keras_metadata.pb", 0.0), "keras_metadata.pb is cut short or damaged"),
        (cut("variables/variables.index"), "variables are missing, cut short"),
        (cut("variables/variables.data-00000-of-00001"), "declare more|cut short"),
        (subclassed, "its model is a Mine, of which no architecture is stored"),
    ],
)
def test_damage_is_told_in_one_line(folder, damage, told):
    damage(folder)
    with pytest.raises(ModelError, match=told) as error:
        load_model(folder)
    assert "\n" not in str(error.value)
    assert "cannot load" in str(error.value)
