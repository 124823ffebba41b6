import pytest
import tf_keras as keras

from tfcompress.layers.hard_swish import HardSwish
from tfcompress.loading.listed import listed_class, module_of


@pytest.mark.parametrize(
    ("module", "name", "registered", "expected"),
    [
        ("keras.layers", "Conv2D", None, keras.layers.Conv2D),
        ("keras.src.layers.core.dense", "Dense", "Dense", keras.layers.Dense),
        ("tf_keras.src.layers", "Dense", None, keras.layers.Dense),
        (None, "ReLU", None, keras.layers.ReLU),
        ("keras.layers", "Identity", None, keras.layers.Identity),
        ("keras.initializers", "Identity", None, keras.initializers.Identity),
        (
            "tfcompress.layers.hard_swish",
            "HardSwish",
            "tfcompress>HardSwish",
            HardSwish,
        ),
        (None, "HardSwish", "tfcompress>HardSwish", HardSwish),
    ],
)
def test_a_listed_class_is_found(module, name, registered, expected):
    assert listed_class(module, name, registered) is expected


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "Dense", None),
        ("keras_evil.layers", "Dense", None),
        ("__main__", "Dense", "Custom>Dense"),
        ("keras.layers", "Dense", "mine>Dense"),
        ("keras.layers", "Lambda", None),
        ("keras.layers", "TextVectorization", None),
        ("keras.utils", "get_file", None),
        ("tensorflow_model_optimization", "Dense", None),
        ("tfcompress.storage", "atomic_path", "tfcompress>atomic_path"),
        (3, "Dense", None),
    ],
)
def test_all_else_is_not(module, name, registered):
    assert listed_class(module, name, registered) is None


def test_where_keras_exports_a_class():
    assert module_of("Dense", "anything") == "keras.layers"
    assert module_of("Identity", "keras.src.initializers") == "keras.initializers"
    assert module_of("Identity", "keras.layers") == "keras.layers"
    assert module_of("get_file", "keras.utils") == ""
