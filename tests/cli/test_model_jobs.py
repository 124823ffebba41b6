import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras
import tiny

from tfcompress.cli import model_jobs
from tfcompress.errors import ModelError

pytestmark = pytest.mark.usefixtures("registry")

MAX_BYTES = 1 << 30


@pytest.fixture
def doubling(tmp_path):
    """A function that saves a model of 4 inputs with a Lambda in it."""

    def save(library, ending="keras"):
        image = library.layers.Input((4,))
        x = library.layers.Dense(3, name="dense")(image)
        x = library.layers.Lambda(lambda x: 2.0 * x, name="twice")(x)
        library.Model(image, x).save(tmp_path / f"model.{ending}")
        return str(tmp_path / f"model.{ending}")

    return save


@pytest.mark.parametrize("library", [keras, keras_3])
def test_an_unsafe_file_is_profiled_where_that_is_allowed(doubling, library):
    path = doubling(library)
    with pytest.raises(ModelError, match=r"layer twice uses .*Lambda"):
        model_jobs.profile(path, MAX_BYTES, False)
    document = model_jobs.profile(path, MAX_BYTES, True)
    assert document["source"] == path
    assert document["totals"]["params"] == 4 * 3 + 3


def test_an_unsafe_file_is_diagnosed_where_that_is_allowed(doubling):
    path = doubling(keras, "h5")
    with pytest.raises(ModelError, match=r"layer twice uses .*Lambda"):
        model_jobs.diagnose(path, MAX_BYTES, False)
    document = model_jobs.diagnose(path, MAX_BYTES, True)
    assert document["source"] == path
    (twice,) = [row for row in document["layers"] if row["name"] == "twice"]
    assert twice["type"] == "Lambda"
    assert twice["int8_export"].startswith("no: ")


def test_code_of_the_users_own_is_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "own_layers.py").write_text(
        "import tf_keras as keras\n"
        "@keras.saving.register_keras_serializable('own_layers')\n"
        "class Half(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x / 2\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import own_layers

    image = keras.Input((4,))
    keras.Model(image, own_layers.Half(name="half")(image)).save("model.keras")
    document = model_jobs.profile("model.keras", MAX_BYTES, True)
    assert document["layers"][-1]["type"] == "Half"


def test_a_file_of_a_recipe_is_loaded_with_the_classes_of_the_recipe(tmp_path):
    (tmp_path / "recipe.py").write_text(
        "import tf_keras as keras\n"
        "import tfcompress as tfc\n"
        "@keras.saving.register_keras_serializable('of_the_recipe')\n"
        "class Third(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x / 3\n"
        "RECIPE = tfc.Recipe(data=tfc.Data('none'), model='model.keras',\n"
        "    stages=(tfc.Pruning(final_sparsity=0.5, epochs=0),))\n"
    )
    recipe = str(tmp_path / "recipe.py")
    model = tiny.model()
    path = str(tmp_path / "model.keras")
    model.save(path)
    model_jobs.try_to_load(path, MAX_BYTES, False, recipe)
    third = keras.utils.get_registered_object("of_the_recipe>Third")
    keras.Model(model.input, third(name="third")(model.output)).save(path)
    model_jobs.try_to_load(path, MAX_BYTES, False, recipe)


def test_a_recipe_may_start_from_an_unsafe_file_where_that_is_allowed(
    doubling, tmp_path
):
    path = doubling(keras)
    (tmp_path / "recipe.py").write_text(
        "import tfcompress as tfc\n"
        "RECIPE = tfc.Recipe(data=tfc.Data('none'), model='model.keras',\n"
        "    stages=(tfc.Pruning(final_sparsity=0.5, epochs=0),))\n"
    )
    recipe = str(tmp_path / "recipe.py")
    with pytest.raises(ModelError, match=r"layer twice uses .*Lambda"):
        model_jobs.try_to_load(path, MAX_BYTES, False, recipe)
    model_jobs.try_to_load(path, MAX_BYTES, True, recipe)


def test_what_may_be_used_is_passed_on(tmp_path):
    image = keras.Input((64, 64, 3))
    x = keras.layers.UpSampling2D(16, name="grow")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="conv")(x))
    model.save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    # 1024 x 1024 x 3 values of 4 bytes come out of `grow`.
    with pytest.raises(ModelError, match=r"layer grow.*--max_model_bytes"):
        model_jobs.profile(path, 8 << 20, False)
    assert np.isfinite(model_jobs.profile(path, 64 << 20, False)["totals"]["macs"])
