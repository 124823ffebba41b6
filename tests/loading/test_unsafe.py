import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading import load_model
from tfcompress.loading.unsafe import load_unsafe, trust_classes


def doubling(library, name="twice"):
    image = library.layers.Input((4,))
    twice = library.layers.Lambda(lambda x: 2.0 * x, name=name)
    return library.Model(image, twice(library.layers.Dense(4, name="dense")(image)))


@pytest.fixture
def registry():
    """The classes that this process trusts, as they were."""
    registered = keras.utils.get_custom_objects()
    before = dict(registered)
    yield registered
    registered.clear()
    registered.update(before)


@pytest.mark.parametrize("library", [keras, keras_3])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_the_keras_that_wrote_a_file_reads_it_with_its_code(tmp_path, library, ending):
    model = doubling(library)
    model.save(tmp_path / f"model.{ending}")
    loaded = load_unsafe(tmp_path / f"model.{ending}")
    assert isinstance(loaded, library.Model)
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(loaded(ones), model(ones))


def test_a_saved_model_is_read(tmp_path):
    model = doubling(keras)
    model.save(tmp_path / "model", save_format="tf")
    ones = np.ones((1, 4), "float32")
    loaded = load_unsafe(tmp_path / "model")
    np.testing.assert_array_equal(loaded(ones), model(ones))


def test_what_keras_cannot_read_is_told_in_one_line(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"cannot load .*model\.keras: Keras") as told:
        load_unsafe(tmp_path / "model.keras")
    assert "\n" not in str(told.value)
    with pytest.raises(ModelError, match="does not exist"):
        load_unsafe(tmp_path / "none.keras")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_lambda_is_loaded_once_its_file_is_trusted(tmp_path, registry, ending):
    path = tmp_path / f"model.{ending}"
    model = doubling(keras)
    model.save(path)
    with pytest.raises(ModelError, match="layer twice uses Lambda"):
        load_model(path)
    trust_classes(path)
    assert registry["Lambda"] is keras.layers.Lambda
    ones = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(load_model(path)(ones), model(ones))


def test_a_layer_of_tf_keras_that_is_not_listed_is_loaded_once_trusted(
    tmp_path, registry
):
    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((3, 4)), keras.layers.LSTM(2, name="memory")])
    model.save(path)
    with pytest.raises(ModelError, match="layer memory uses LSTM"):
        load_model(path)
    trust_classes(path)
    assert registry["LSTM"] is keras.layers.LSTM
    ones = np.ones((1, 3, 4), "float32")
    np.testing.assert_allclose(load_model(path)(ones), model(ones), atol=1e-6)


def test_a_layer_of_keras_3_that_is_not_listed_is_refused_by_name(tmp_path, registry):
    layers = keras_3.layers
    model = keras_3.Sequential([layers.Input((3, 4)), layers.LSTM(2, name="memory")])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="layer memory is a LSTM of Keras 3"):
        trust_classes(tmp_path / "model.keras")


def test_a_file_of_plain_layers_registers_nothing(tmp_path, registry, plain_model):
    before = dict(registry)
    plain_model.save(tmp_path / "model.keras")
    trust_classes(tmp_path / "model.keras")
    assert registry == before


def test_code_of_keras_3_is_refused_by_the_name_of_its_layer(tmp_path, registry):
    doubling(keras_3, "double").save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="layer double is a Lambda of Keras 3"):
        trust_classes(tmp_path / "model.keras")
