"""The pipeline on a tiny recipe: every file, resume, refusal, promises."""

import hashlib
import json
import shutil

import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import PromiseNotMetError, TrainingError, WorkdirError
from tfcompress.stages import pruning

TOP_KEYS = {
    "schema_version",
    "recipe",
    "environment",
    "data",
    "baseline",
    "stages",
    "artifact",
    "comparison",
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe that trains, prunes and quantizes the user's own tiny model."""
    folder = tmp_path_factory.mktemp("recipe")
    from tfcompress.loading import save_model

    save_model(tiny.model(), folder / "own.keras")
    return tfc.Recipe(
        name="tiny",
        data=tfc.Data(f"npz:{tiny.npz(folder)}"),
        model=str(folder / "own.keras"),
        teachers={
            "big": tfc.Teacher(
                model=str(folder / "own.keras"),
                stages=(tfc.Training(epochs=2, batch_size=12),),
            )
        },
        stages=(
            tfc.Training(epochs=8, batch_size=12, learning_rate=1e-2),
            tfc.Pruning(
                final_sparsity=0.5,
                epochs=2,
                batch_size=12,
                objective=tfc.Distillation("big"),
            ),
            tfc.QuantizationAware(epochs=1, batch_size=12),
        ),
    )


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "a"
    return workdir, tfc.run_recipe(recipe, workdir)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_run_folder_holds_what_is_promised(finished):
    workdir, report = finished
    on_disk = json.loads((workdir / "report.json").read_text())
    assert set(on_disk) == TOP_KEYS
    assert on_disk == json.loads(json.dumps(report.to_dict()))
    assert [row["name"] for row in on_disk["stages"]] == [
        "teacher_big_00_training",
        "00_training",
        "01_pruning",
        "02_quantization_aware",
    ]
    for name in ("report.md", "recipe.json", "model.tflite"):
        assert (workdir / name).stat().st_size > 0
    events = list((workdir / "tensorboard").rglob("events.*"))
    assert {path.relative_to(workdir).parts[1] for path in events} == {
        row["name"] for row in on_disk["stages"]
    }


def test_report_agrees_with_the_files(finished):
    workdir, report = finished
    artifact = report.artifact
    assert artifact["sha256"] == sha256(workdir / "model.tflite")
    assert artifact["size_bytes"] == (workdir / "model.tflite").stat().st_size
    assert artifact["float_ops"] == []
    assert artifact["input"]["dtype"] == artifact["output"]["dtype"] == "int8"
    assert artifact["top1"] == tfc.evaluate(workdir / "model.tflite", tiny.data()).top1
    pruned, quantized = report.stages[2:]
    assert pruned["facts"]["target_sparsity"] == 0.5
    # Half of stem 72, projection 64 and logits 24; the depthwise 72 stay dense.
    assert pruned["sparsity"] == pytest.approx((36 + 32 + 12) / (72 + 72 + 64 + 24))
    assert quantized["sparsity"] >= pruned["sparsity"]
    assert not list((workdir / "stages").rglob("checkpoints"))


def test_same_recipe_and_seed_give_the_same_artifact(finished, recipe, tmp_path):
    workdir, _ = finished
    tfc.run_recipe(recipe, tmp_path / "b")
    assert sha256(tmp_path / "b/model.tflite") == sha256(workdir / "model.tflite")


def test_other_seed_gives_another_artifact(finished, recipe, tmp_path):
    workdir, _ = finished
    tfc.run_recipe(recipe.override("seed", 1), tmp_path / "b")
    assert sha256(tmp_path / "b/model.tflite") != sha256(workdir / "model.tflite")


@pytest.mark.parametrize("lost", ["02_quantization_aware", "01_pruning", "artifact"])
def test_interrupted_run_goes_on_to_the_same_artifact(
    finished, recipe, tmp_path, lost, monkeypatch
):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "report.json").unlink()
    (copy / "model.tflite").unlink()
    if lost != "artifact":
        model = copy / "stages" / lost / "model.keras"
        model.write_bytes(model.read_bytes()[:-100])
    trained = []
    original = pruning.Pruning.__call__

    def spy(self, model, run):
        trained.append(run.stage)
        return original(self, model, run)

    monkeypatch.setattr(pruning.Pruning, "__call__", spy)
    resumed = tfc.run_recipe(recipe, copy)
    assert trained == (["01_pruning"] if lost == "01_pruning" else [])
    assert resumed.artifact["sha256"] == report.artifact["sha256"]
    assert resumed.stages[0] == report.stages[0]


def test_finished_run_is_not_repeated(finished, recipe, monkeypatch):
    workdir, report = finished
    monkeypatch.setattr(tfc.Data, "load", lambda self: pytest.fail("loaded data"))
    assert tfc.run_recipe(recipe, workdir) == report


def test_damaged_artifact_is_made_again(finished, recipe, tmp_path):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "model.tflite").write_bytes(b"half")
    tfc.run_recipe(recipe, copy)
    assert sha256(copy / "model.tflite") == report.artifact["sha256"]


def test_other_recipe_is_refused_and_fresh_starts_over(finished, recipe, tmp_path):
    workdir, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "notes.txt").write_text("mine")
    other = recipe.override("stages.pruning.final_sparsity", 0.25)
    with pytest.raises(WorkdirError, match="another recipe"):
        tfc.run_recipe(other, copy)
    assert sha256(copy / "model.tflite") == sha256(workdir / "model.tflite")
    report = tfc.run_recipe(other, copy, fresh=True)
    assert report.stages[2]["facts"]["target_sparsity"] == 0.25
    assert (copy / "notes.txt").read_text() == "mine"


def test_folder_of_unknown_origin_is_refused(recipe, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"precious")
    with pytest.raises(WorkdirError, match=r"no recipe\.json"):
        tfc.run_recipe(recipe, tmp_path)
    assert (tmp_path / "model.tflite").read_bytes() == b"precious"


def test_broken_budget_is_said_after_the_report_is_written(recipe, tmp_path):
    budget = recipe.override("max_top1_drop", -1.0)
    with pytest.raises(PromiseNotMetError, match="max_top1_drop"):
        tfc.run_recipe(budget, tmp_path / "a")
    assert (tmp_path / "a/report.json").exists()
    with pytest.raises(PromiseNotMetError):
        tfc.run_recipe(budget, tmp_path / "a")


def test_nan_loss_keeps_what_was_done_and_exports_nothing(recipe, tmp_path):
    wild = recipe.override("stages.pruning.learning_rate", 1e30)
    wild = wild.override("stages.pruning.optimizer", "sgd")
    with pytest.raises(TrainingError, match="01_pruning"):
        tfc.run_recipe(wild, tmp_path)
    assert (tmp_path / "stages/00_training/manifest.json").exists()
    assert not (tmp_path / "stages/01_pruning/manifest.json").exists()
    assert not (tmp_path / "model.tflite").exists()


def test_models_built_before_do_not_change_the_artifact(finished, recipe, tmp_path):
    workdir, _ = finished
    for _ in range(3):
        keras.Sequential([keras.layers.Dense(2), keras.layers.ReLU()])
    tfc.run_recipe(recipe, tmp_path)
    assert sha256(tmp_path / "model.tflite") == sha256(workdir / "model.tflite")
