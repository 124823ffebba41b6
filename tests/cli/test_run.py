import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfcompress
from tfcompress.cli.main import main
from tfcompress.cli.run import _with_data_dir

RECIPE = """
import tfcompress as tfc
RECIPE = tfc.Recipe(
    data=tfc.Data("npz:{data}"),
    model=tfc.Architecture("mobilenet_v1", {{"alpha": 0.25}}),
    stages=(tfc.Training(epochs=1), tfc.Training(epochs={epochs})),
)
if __name__ == "__main__":
    tfc.run_as_script(__file__)
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe of two stages over 40 + 10 images, and the length of the second."""

    def write(epochs):
        rng = np.random.default_rng(0)
        arrays = {}
        for split, num_images in (("train", 40), ("test", 10)):
            shape = (num_images, 28, 28, 1)
            arrays[f"x_{split}"] = rng.integers(0, 256, shape, dtype=np.uint8)
            arrays[f"y_{split}"] = np.arange(num_images) % 2
        np.savez(tmp_path / "data.npz", **arrays)
        path = tmp_path / "tiny.py"
        path.write_text(RECIPE.format(data=tmp_path / "data.npz", epochs=epochs))
        return path

    return write


def error_of(capfd, words):
    assert main(words) == 1
    (line,) = capfd.readouterr().err.splitlines()
    return line


def test_a_recipe_without_recipe_is_told(capfd, tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    words = ["run", str(tmp_path / "empty.py"), f"--workdir={tmp_path / 'run'}"]
    assert "defines no RECIPE" in error_of(capfd, words)


def test_an_unknown_override_is_told_with_the_nearest_name(capfd, tmp_path, recipe):
    words = ["run", str(recipe(1)), f"--workdir={tmp_path / 'run'}"]
    line = error_of(capfd, [*words, "--set=stages.0.epoch=2"])
    assert "stages.0.epoch" in line
    assert "epochs" in line


def test_a_workdir_that_cannot_be_written_is_told(capfd, tmp_path, recipe):
    (tmp_path / "file").write_text("")
    words = ["run", str(recipe(1)), f"--workdir={tmp_path / 'file' / 'run'}"]
    assert "a file stands where a folder is needed" in error_of(capfd, words)


def test_a_missing_recipe_leaves_no_folder_behind(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nope.py does not exist" in error_of(capfd, ["run", "nope.py"])
    assert f"{tmp_path} is a folder" in error_of(capfd, ["run", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def environment():
    # A recipe as a script puts its own folder on the path, not the package's.
    return {**os.environ, "PYTHONPATH": str(Path(tfcompress.__file__).parents[1])}


def test_a_recipe_is_a_script_and_its_noise_goes_to_the_log(tmp_path, recipe):
    command = [sys.executable, str(recipe(1)), "--workdir=run", "--set=seed=3"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (headline,) = done.stdout.splitlines()
    assert re.fullmatch(r".*x smaller.*points: run/model\.tflite", headline)
    assert (tmp_path / "run" / "run.log").stat().st_size > 0
    noise = [
        line for line in done.stderr.splitlines() if re.match("[IWE]0000|20", line)
    ]
    assert noise == []


def test_a_stopped_run_keeps_what_was_finished(tmp_path, recipe):
    command = [sys.executable, "-m", "tfcompress", "run", str(recipe(100_000))]
    with subprocess.Popen(
        [*command, "--workdir=run"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # In the second stage, an epoch of which was told.
        for line in process.stderr:
            if "epoch 2/100000" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "stopped by SIGTERM; the same command goes on" in err
    stages = tmp_path / "run" / "stages"
    committed = [path.parent.name for path in stages.glob("*/manifest.json")]
    assert committed == ["00_training"]


@pytest.mark.parametrize(
    "names",
    [
        'model="{path}", stages=(tfc.Training(epochs=1),)',
        'model=tfc.Architecture("mobilenet_v1"), stages=(tfc.Training(epochs=1),),'
        'teachers={{"big": tfc.Teacher(model="{path}")}}',
        'model=tfc.Architecture("mobilenet_v1"), stages=(tfc.Training(epochs=1,'
        'objective=tfc.Distillation(teacher="{path}")),)',
        'model=tfc.Architecture("mobilenet_v1"), stages=(tfc.Training(epochs=1,'
        'initial_weights="{path}"),)',
    ],
)
def test_every_model_file_of_a_recipe_is_tried_before_the_run(capfd, tmp_path, names):
    path = tmp_path / "missing.keras"
    (tmp_path / "tiny.py").write_text(
        "import tfcompress as tfc\n"
        f"RECIPE = tfc.Recipe(data=tfc.Data('none'), {names.format(path=path)})\n"
    )
    words = ["run", str(tmp_path / "tiny.py"), f"--workdir={tmp_path / 'run'}"]
    line = error_of(capfd, words)
    expected = "expected a model file: check the path"
    assert line == f"error: {path} does not exist; {expected}"
    assert not (tmp_path / "run").exists()


def test_the_data_folder_counts_wherever_the_recipe_uses_that_data_set():
    training = (tfcompress.Training(epochs=1),)
    teacher = tfcompress.Teacher(model=tfcompress.Architecture("resnet8"))
    recipe = tfcompress.Recipe(
        data=tfcompress.Data("fashion_mnist", data_dir="old"),
        teachers={
            "plain": teacher,
            "same": dataclasses.replace(teacher, data=tfcompress.Data("fashion_mnist")),
            "other": dataclasses.replace(
                teacher, data=tfcompress.Data("fashion_mnist_small")
            ),
        },
        model=tfcompress.Architecture("mobilenet_v1"),
        stages=training,
    )
    moved = _with_data_dir(recipe, "new")
    assert moved.data.data_dir == "new"
    assert moved.teachers["plain"].data is None
    assert moved.teachers["same"].data.data_dir == "new"
    assert moved.teachers["other"].data.data_dir is None
