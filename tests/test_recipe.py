import json

import pytest

import tfcompress as tfc
from tfcompress.errors import RecipeError
from tfcompress.recipe import load_recipe

T = tfc.Training()


def recipe(**changes):
    settings = {
        "name": "tiny",
        "data": tfc.Data("fashion_mnist_small", augmentation=tfc.Augmentation(shift=1)),
        "model": tfc.Architecture("mobilenet_v1", {"alpha": 0.25}),
        "teachers": {
            "resnet8": tfc.Teacher(
                model=tfc.Architecture("resnet8"), stages=(tfc.Training(epochs=2),)
            )
        },
        "stages": (
            tfc.Training(epochs=3, learning_rate=tfc.CosineDecay(1e-2)),
            tfc.Pruning(
                final_sparsity=0.75, epochs=2, objective=tfc.Distillation("resnet8")
            ),
            tfc.QuantizationAware(epochs=2),
        ),
        "max_top1_drop": 0.01,
    }
    return tfc.Recipe(**(settings | changes))


def test_json_round_trip_is_equal():
    original = recipe()
    text = json.dumps(original.to_dict())
    restored = tfc.Recipe.from_dict(json.loads(text))
    assert restored == original
    assert restored.digest == original.digest


def test_json_makes_nothing_but_recipe_parts():
    values = recipe().to_dict()
    values["model"] = {"type": "Popen", "args": ["true"]}
    with pytest.raises(RecipeError, match="unknown recipe part 'Popen'"):
        tfc.Recipe.from_dict(values)


def test_digest_changes_with_any_setting_and_with_the_model_file(tmp_path):
    file = tmp_path / "model.keras"
    file.write_bytes(b"one")
    first = recipe(model=str(file)).digest
    file.write_bytes(b"two")
    digests = {first, recipe(model=str(file)).digest}
    digests |= {recipe().digest, recipe(seed=1).digest}
    digests.add(recipe().override("stages.1.final_sparsity", "0.5").digest)
    assert len(digests) == 5


def test_override_by_position_by_stage_name_and_into_schedules():
    changed = (
        recipe()
        .override("stages.pruning.final_sparsity", "0.9")
        .override("stages.0.learning_rate.initial", "0.5")
        .override("stages.2.learning_rate", "0.25")
        .override("model.options.alpha", "0.5")
        .override("teachers.resnet8.stages.0.epochs", "7")
        .override("data.augmentation.shift", "2")
    )
    assert changed.stages[1].final_sparsity == 0.9
    assert changed.stages[0].learning_rate == tfc.CosineDecay(0.5)
    assert changed.stages[2].learning_rate == 0.25
    assert changed.model.options == {"alpha": 0.5}
    assert changed.teachers["resnet8"].stages[0].epochs == 7
    assert changed.data.augmentation.shift == 2


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("stages.pruning.final_sparsty", "0.9", "did you mean 'final_sparsity'"),
        ("stages.pruning.final_sparsity", "80", "0.8 for 80 %"),
        ("stages.pruning.epochs", "many", "a whole number"),
        ("export.quantization", "int9", "int9"),
    ],
)
def test_wrong_override_says_what_mends_it(path, text, message):
    with pytest.raises(RecipeError, match=message):
        recipe().override(path, text)


def test_smoke_runs_one_epoch_a_stage_on_little_data():
    small = recipe(smoke_overrides={"stages.0.batch_size": 16}).smoke()
    assert [stage.epochs for stage in small.stages] == [1, 1, 1]
    assert small.teachers["resnet8"].stages[0].epochs == 1
    assert small.stages[0].batch_size == 16
    assert small.max_top1_drop is None
    assert small.name == "tiny_smoke"


def test_smoke_on_other_data_forgets_where_the_first_was():
    data = tfc.Data("fashion_mnist", data_dir="elsewhere")
    overrides = {"data.name": "fashion_mnist_small"}
    small = recipe(data=data, smoke_overrides=overrides).smoke()
    assert (small.data.name, small.data.data_dir) == ("fashion_mnist_small", None)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((T, tfc.Pruning(), T), "put Training before Pruning"),
        ((T, tfc.QuantizationAware(), tfc.Pruning()), "put Pruning before"),
        ((T, tfc.QuantizationAware(), T), "undo the quantization"),
        ((T, tfc.QuantizationAware(), tfc.QuantizationAware()), "quantization"),
        ((tfc.Pruning(),), "random weights"),
        ((tfc.Training(epochs=0),), "random weights"),
        ((), "random weights"),
        ((T, 3), r"stages\[1\]=3 must be a Stage"),
        ((T, tfc.Pruning), "not the class Pruning itself"),
    ],
)
def test_impossible_order_is_refused_before_training(stages, message):
    with pytest.raises(RecipeError, match=message):
        recipe(stages=stages)


def test_undefined_teacher_is_refused_before_training():
    learner = tfc.Training(objective=tfc.Distillation("resnet9"))
    with pytest.raises(RecipeError, match="resnet8"):
        recipe(stages=(learner,))
    teacher = tfc.Teacher(model=tfc.Architecture("resnet8"), stages=(learner,))
    with pytest.raises(RecipeError, match="resnet9"):
        recipe(teachers={"a": teacher})


def test_teacher_may_learn_from_an_earlier_one():
    first = tfc.Teacher(model=tfc.Architecture("resnet20"), stages=(T,))
    learner = tfc.Training(objective=tfc.Distillation("first"))
    second = tfc.Teacher(model=tfc.Architecture("resnet8"), stages=(learner,))
    teachers = {"first": first, "second": second}
    assert list(recipe(teachers=teachers, stages=(learner,)).teachers) == list(teachers)
    with pytest.raises(RecipeError, match="first"):
        recipe(teachers={"second": second, "first": first})


def test_export_that_quantization_aware_training_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="int8 only"):
        recipe(export=tfc.Export(quantization="dynamic"))
    with pytest.raises(RecipeError, match="give operators to that stage"):
        recipe(export=tfc.Export(operators="builtin"))


@pytest.mark.parametrize("budget", [1.5, 80, -2])
def test_budget_in_points_is_refused(budget):
    with pytest.raises(RecipeError, match=r"0\.015 for 1\.5 points"):
        recipe(max_top1_drop=budget)


def test_list_of_stages_becomes_a_tuple():
    assert recipe(stages=[T, tfc.Pruning()]).smoke().stages[1].epochs == 1


def test_digest_leaves_out_what_the_artifact_does_not_depend_on():
    first = recipe(data=tfc.Data("fashion_mnist"))
    data = tfc.Data("fashion_mnist", data_dir="elsewhere")
    same = recipe(
        data=data,
        name="other",
        max_top1_drop=None,
        robustness=tfc.Perturbations(num_images=5),
        smoke_overrides={"seed": 3},
    )
    assert same.digest == first.digest
    assert tfc.Recipe.from_dict(same.to_dict()) == same


def test_losses_of_several_teachers_survive_json_and_overrides():
    losses = (
        (tfc.LogitDistillation(temperature=2.0), 0.9),
        (tfc.DecoupledDistillation(), tfc.CosineDecay(1.0)),
    )
    resnet = tfc.Teacher(model=tfc.Architecture("resnet8"), stages=(T,))
    teachers = {"first": resnet, "second": resnet}
    objective = tfc.Distillation({"first": 2.0, "second": 1.0}, losses=losses)
    original = recipe(teachers=teachers, stages=(tfc.Training(objective=objective),))
    assert tfc.Recipe.from_dict(json.loads(json.dumps(original.to_dict()))) == original
    changed = original.override("stages.0.objective.losses.0.1", "0.5")
    assert changed.stages[0].objective.losses[0] == (losses[0][0], 0.5)
    assert changed.digest != original.digest
    with pytest.raises(RecipeError, match="second"):
        recipe(teachers={"first": resnet}, stages=original.stages)


def test_digest_counts_a_teacher_file(tmp_path):
    file = tmp_path / "teacher.keras"
    stages = (tfc.Training(objective=tfc.Distillation(str(file))),)
    file.write_bytes(b"one")
    first = recipe(stages=stages).digest
    file.write_bytes(b"two")
    assert recipe(stages=stages).digest != first


def test_digest_counts_initial_weights_and_lists_their_file(tmp_path):
    file = tmp_path / "checkpoint.keras"
    stages = (tfc.Training(initial_weights=str(file)),)
    file.write_bytes(b"one")
    first = recipe(stages=stages)
    assert first.model_files == [str(file)]
    before = first.digest
    file.write_bytes(b"two")
    assert recipe(stages=stages).digest != before


def test_digest_leaves_out_what_is_at_its_default():
    values = recipe().to_dict()
    assert values["stages"][0].pop("thaw_after") is None
    assert tfc.Recipe.from_dict(values).digest == recipe().digest


def test_transfer_survives_json_and_smoke_still_thaws():
    stage = tfc.Training(
        epochs=9, initial_weights="resnet8", freeze=("a*", "b*"), thaw_after=4
    )
    teacher = tfc.Teacher(
        model=tfc.Architecture("resnet8"),
        data=tfc.Data("fashion_mnist", data_dir="here", classes=(0, 5)),
        stages=(tfc.Training(epochs=9),),
    )
    original = recipe(stages=(stage,), teachers={"resnet8": teacher})
    restored = tfc.Recipe.from_dict(json.loads(json.dumps(original.to_dict())))
    assert restored == original
    small = original.smoke()
    assert (small.stages[0].thaw_after, small.stages[0].epochs) == (1, 2)
    assert small.teachers["resnet8"].stages[0].epochs == 1
    assert small.teachers["resnet8"].data.num_train == 320
    moved = original.override("teachers.resnet8.data.data_dir", None)
    assert moved.digest == original.digest
    others = original.override("teachers.resnet8.data.classes", (0, 6))
    assert others.digest != original.digest


def test_initial_weights_that_are_neither_file_nor_teacher_are_refused():
    with pytest.raises(RecipeError, match=r"names 'resnet9', but .*'resnet8'"):
        recipe(stages=(tfc.Training(initial_weights="resnet9"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"recipe\.py does not exist; expected a Python file"),
        ("x = 1", "defines no RECIPE"),
        ("RECIPE = 3", "defines no RECIPE"),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("RECIPE = (", "SyntaxError"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise ValueError('Set epochs.')", "ValueError: Set epochs; mend the file"),
    ],
)
def test_unusable_recipe_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "recipe.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_recipe_is_named_after_its_file(tmp_path):
    path = tmp_path / "my_recipe.py"
    path.write_text(
        "import tfcompress as tfc\n"
        "RECIPE = tfc.Recipe(data=tfc.Data('fashion_mnist_small'),"
        " model=tfc.Architecture('resnet8'), stages=(tfc.Training(),))\n"
    )
    assert load_recipe(path).name == "my_recipe"
