"""The pipeline on a tiny recipe: every file, resume, refusal, promises."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress import chain, pipeline
from tfcompress.errors import (
    DataError,
    InvalidArgumentError,
    PromiseNotMetError,
    TrainingError,
    WorkdirError,
)
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
    "skipped",
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
    for name in ("report.md", "report.html", "recipe.json", "model.tflite"):
        assert (workdir / name).stat().st_size > 0
    events = list((workdir / "tensorboard").rglob("events.*"))
    assert {path.relative_to(workdir).parts[1] for path in events} == {
        "hparams",
        *(row["name"] for row in on_disk["stages"]),
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
    assert not (workdir / "teacher_logits").exists()


@pytest.mark.parametrize("lost", ["02_quantization_aware", "01_pruning", "artifact"])
def test_interrupted_run_goes_on_to_the_same_artifact(
    finished, recipe, tmp_path, lost, monkeypatch
):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "manifest.json").unlink()
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
    assert resumed.stages[0] == json.loads(json.dumps(report.stages[0]))


def test_finished_run_is_not_repeated(finished, recipe, monkeypatch):
    workdir, report = finished
    monkeypatch.setattr(pipeline, "_run", lambda *_: pytest.fail("ran again"))
    again = tfc.run_recipe(recipe, workdir)
    assert again.to_dict() == json.loads(json.dumps(report.to_dict()))


@pytest.mark.parametrize("name", ["model.tflite", "report.json", "manifest.json"])
def test_changed_result_is_measured_again_from_the_stages(
    finished, recipe, tmp_path, name, monkeypatch
):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    text = (copy / name).read_bytes()
    # One is cut, one says what was not measured, one is no object.
    changed = {"model.tflite": text[:-9], "report.json": text.replace(b"0", b"9", 1)}
    (copy / name).write_bytes(changed.get(name, b"[]"))
    monkeypatch.setattr(chain, "_run_stage", lambda *_: pytest.fail("trained"))
    again = tfc.run_recipe(recipe, copy)
    assert again.artifact["sha256"] == report.artifact["sha256"]
    assert sha256(copy / "model.tflite") == report.artifact["sha256"]


def test_answers_are_told_of_all_test_images(finished):
    workdir, report = finished
    labels = tiny.data().test.labels
    matrices = []
    for part in (report.baseline, report.artifact):
        confusion = np.array(part["confusion"])
        assert confusion.sum(axis=1).tolist() == np.bincount(labels).tolist()
        assert part["top1"] == pytest.approx(confusion.trace() / len(labels))
        matrices.append(confusion)
    changed = report.artifact["changed"]
    gain = matrices[1].trace() - matrices[0].trace()
    assert changed["num_won"] - changed["num_lost"] == gain
    picture = workdir / "changed_images.png"
    assert picture.exists() == (changed["num_changed"] > 0)
    assert report.data["class_names"] == ["0", "1", "2"]
    skipped = {(part["technique"], part["layer"]) for part in report.skipped}
    assert ("pruning", "block_depthwise") in skipped


def test_the_page_names_the_recipe_and_not_the_folder(finished):
    workdir, report = finished
    page = (workdir / "report.html").read_text()
    assert "<title>tiny</title>" in page
    assert report.headline() in page
    assert str(workdir) not in page


def test_robustness_asked_for_later_is_measured_without_training(
    finished, recipe, tmp_path, monkeypatch
):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    monkeypatch.setattr(chain, "_run_stage", lambda *_: pytest.fail("trained"))
    how = tfc.Perturbations(
        corruptions=("blur",), attacks=(), strengths=(1,), num_images=6
    )
    again = tfc.run_recipe(replace(recipe, robustness=how), copy)
    result = again.artifact["robustness"]["result"]
    assert (result["num_images"], result["model"]) == (6, "model.tflite")
    assert [row["perturbation"] for row in result["rows"]] == ["blur"]
    assert again.artifact["sha256"] == report.artifact["sha256"]
    assert "<h2>Robustness</h2>" in (copy / "report.html").read_text()
    monkeypatch.setattr(pipeline, "_run", lambda *_: pytest.fail("measured again"))
    tfc.run_recipe(replace(recipe, robustness=how), copy)


def test_stage_made_from_another_model_is_made_again(finished, recipe, tmp_path):
    workdir, report = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "manifest.json").unlink()
    folder = copy / "stages/01_pruning"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["facts"]["source"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    again = tfc.run_recipe(recipe, copy)
    assert again.artifact["sha256"] == report.artifact["sha256"]
    remade = json.loads((folder / "manifest.json").read_text())["facts"]["source"]
    assert remade == sha256(copy / "stages/00_training/model.keras")


def test_changed_data_is_refused(finished, recipe, tmp_path):
    workdir, _ = finished
    (x_train, y_train), (x_test, y_test) = tiny.arrays(), tiny.arrays(10, seed=1)
    path = tmp_path / "other.npz"
    np.savez(path, x_train=255 - x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    source = Path(recipe.data.name.removeprefix("npz:"))
    before = source.read_bytes()
    try:
        shutil.copy(path, source)
        with pytest.raises(WorkdirError, match="not what it was"):
            tfc.run_recipe(recipe, workdir)
    finally:
        source.write_bytes(before)


def test_failure_before_any_stage_does_not_claim_the_folder(recipe, tmp_path):
    wrong = recipe.override("data.name", "npz:nowhere.npz")
    with pytest.raises(DataError):
        tfc.run_recipe(wrong, tmp_path)
    unfit = recipe.override("stages.pruning.layers", "('nothing',)")
    with pytest.raises(InvalidArgumentError, match="nothing"):
        tfc.run_recipe(unfit, tmp_path)
    assert not list(tmp_path.glob("stages/*"))
    short = replace(recipe, stages=(), teachers={})
    assert tfc.run_recipe(short, tmp_path).artifact["float_ops"] == []


def test_other_recipe_is_refused_and_fresh_starts_over(finished, recipe, tmp_path):
    workdir, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    (copy / "notes.txt").write_text("mine")
    other = replace(
        recipe, stages=(tfc.Pruning(final_sparsity=0.25, epochs=0),), teachers={}
    )
    with pytest.raises(WorkdirError, match="another recipe"):
        tfc.run_recipe(other, copy)
    assert sha256(copy / "model.tflite") == sha256(workdir / "model.tflite")
    report = tfc.run_recipe(other, copy, fresh=True)
    assert [row["facts"]["target_sparsity"] for row in report.stages] == [0.25]
    assert (copy / "notes.txt").read_text() == "mine"


def test_folder_of_unknown_origin_is_refused(recipe, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"precious")
    for fresh in (False, True):
        with pytest.raises(WorkdirError, match=r"no recipe\.json"):
            tfc.run_recipe(recipe, tmp_path, fresh=fresh)
    assert (tmp_path / "model.tflite").read_bytes() == b"precious"


def test_same_recipe_and_seed_give_the_same_artifact(finished, recipe, tmp_path):
    workdir, _ = finished
    for _ in range(3):  # Keras numbers layers through the life of a process.
        keras.Sequential([keras.layers.Dense(2), keras.layers.ReLU()])
    tfc.run_recipe(recipe, tmp_path)
    assert sha256(tmp_path / "model.tflite") == sha256(workdir / "model.tflite")


def test_broken_budget_is_said_after_the_report_is_written(recipe, tmp_path, finished):
    workdir, _ = finished
    budget = replace(recipe, max_top1_drop=-1.0, seed=1)
    with pytest.raises(PromiseNotMetError, match="max_top1_drop"):
        tfc.run_recipe(budget, tmp_path / "a")
    assert (tmp_path / "a/report.json").exists()
    with pytest.raises(PromiseNotMetError, match=str(tmp_path / "a/model.tflite")):
        tfc.run_recipe(budget, tmp_path / "a")
    # Another seed is another run.
    assert sha256(tmp_path / "a/model.tflite") != sha256(workdir / "model.tflite")


def test_nan_loss_keeps_what_was_done_and_exports_nothing(recipe, tmp_path):
    wild = tfc.Pruning(epochs=1, batch_size=12, optimizer="sgd", learning_rate=1e30)
    stages = (tfc.Training(epochs=0), wild)
    with pytest.raises(TrainingError, match="01_pruning"):
        tfc.run_recipe(replace(recipe, stages=stages, teachers={}), tmp_path)
    assert (tmp_path / "stages/00_training/manifest.json").exists()
    assert not (tmp_path / "stages/01_pruning/manifest.json").exists()
    assert not (tmp_path / "model.tflite").exists()


def test_pretraining_on_other_classes_and_fine_tuning_are_one_recipe(tmp_path):
    images, labels = tiny.arrays(num_classes=4)
    test, test_labels = tiny.arrays(10, num_classes=4, seed=1)
    path = tmp_path / "four.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=test, y_test=test_labels)
    tfc.save_model(tiny.model(num_classes=2), tmp_path / "own.keras")
    tfc.save_model(tiny.model(num_classes=3), tmp_path / "wide.keras")
    recipe = tfc.Recipe(
        data=tfc.Data(f"npz:{path}", classes=(0, 3)),
        model=str(tmp_path / "own.keras"),
        teachers={
            "before": tfc.Teacher(
                model=str(tmp_path / "wide.keras"),
                data=tfc.Data(f"npz:{path}", classes=(0, 1, 2)),
                stages=(tfc.Training(epochs=1, batch_size=12),),
            )
        },
        stages=(
            tfc.Training(
                epochs=2,
                batch_size=12,
                initial_weights="before",
                freeze=("stem_*", "block_*"),
                thaw_after=1,
            ),
        ),
        export=tfc.Export(quantization="float32"),
    )
    report = tfc.run_recipe(recipe, tmp_path / "run")
    assert [row["name"] for row in report.stages] == [
        "teacher_before_00_training",
        "00_training",
    ]
    assert report.stages[1]["facts"]["new_layers"] == ["logits"]
    assert (report.data["num_classes"], report.data["num_test"]) == (2, 20)
    np.savez(path, x_train=images, y_train=labels, x_test=test, y_test=labels[:40])
    with pytest.raises((WorkdirError, DataError)):
        tfc.run_recipe(recipe, tmp_path / "run")
