from pathlib import Path

import pytest
import tiny

import tfcompress as tfc
from tfcompress.errors import RecipeError
from tfcompress.ingredients import build_model, check_named_models, named_models


def test_architecture_takes_shape_and_classes_from_the_data():
    model = build_model(tfc.Architecture("mobilenet_v1", {"alpha": 0.25}), tiny.data())
    assert model.input_shape == (None, 8, 8, 1)
    assert model.output_shape == (None, 3)


def test_model_file_is_loaded(tmp_path):
    tfc.save_model(tiny.model(), tmp_path / "own.keras")
    model = build_model(str(tmp_path / "own.keras"), tiny.data())
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in tiny.model().layers
    ]


def test_teacher_may_be_pruned_in_an_order_that_holds():
    stages = (tfc.Training(), tfc.Pruning())
    assert tfc.Teacher(model="own.keras", stages=stages).stages == stages
    with pytest.raises(RecipeError, match="Training"):
        tfc.Teacher(model="own.keras", stages=stages[::-1])
    with pytest.raises(RecipeError, match=r"stages\[0\]=3"):
        tfc.Teacher(model="own.keras", stages=(3,))


def test_models_that_stages_name_are_known_or_files():
    stages = (
        tfc.Training(initial_weights="first", objective=tfc.Distillation("b.keras")),
        tfc.QuantizationAware(objective=tfc.Distillation("first")),
    )
    assert named_models(stages) == ["b.keras", "first", "first"]
    several = tfc.Training(objective=tfc.Distillation(("first", "b.keras")))
    assert named_models([several]) == ["first", "b.keras"]
    check_named_models(stages, ["first"])
    with pytest.raises(RecipeError, match=r"Training names 'first', but .* none"):
        check_named_models(stages, [])
    live = tfc.Training(objective=tfc.Distillation(tiny.model()))
    with pytest.raises(RecipeError, match=r"a Functional as its teacher.*give a text"):
        check_named_models([live], [])
    path = tfc.Training(objective=tfc.Distillation(Path("teacher.keras")))
    with pytest.raises(RecipeError, match=r"Path as its teacher.*give a text"):
        check_named_models([path], [])
