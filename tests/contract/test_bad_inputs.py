"""No file of a stranger does anything but be refused, in one line, or be read."""

import contextlib
import csv
import io
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import keras as keras_3
import pytest
import tf_keras as keras
import tiny
from contract.bad_inputs import (
    BAD_INPUTS,
    CANARY,
    KINDS,
    LOADS,
    STRANGE_NAMES,
    either,
    renamed,
)

import tfcompress as tfc
from tfcompress.cli.main import main

MARK = CANARY.strip()
MEMORY = 1 << 30
# What loading has no need of, whatever the file says.
FORBIDDEN = {
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "pickle.find_class",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
}
heard: list[str] = []
sys.addaudithook(
    lambda event, args: heard.append(f"{event} {args}") if event in FORBIDDEN else None
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tfc.Data(f"npz:{tiny.npz(tmp_path_factory.mktemp('data'))}")


def load(path, dataset, folder):
    return b"".join(weight.tobytes() for weight in tfc.load_model(path).get_weights())


def profile(path, dataset, folder):
    document = tfc.profile(path, latency=False)
    return (document.to_json() + document.to_csv()).encode()


def doctor(path, dataset, folder):
    document = tfc.diagnose(path)
    return (document.to_json() + str(document)).encode()


def run(path, dataset, folder):
    stages = (tfc.Pruning(final_sparsity=0.5, epochs=0),)
    recipe = tfc.Recipe(name="bad", data=dataset, model=str(path), stages=stages)
    tfc.run_recipe(recipe, folder / "run")
    return b""


WAYS = (load, profile, doctor, run)


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory, dataset):
    """Goes each way once: libraries set this and that when they are first used."""
    folder = tmp_path_factory.mktemp("sound")
    path = either(folder, "keras_3.keras")
    for way in WAYS:
        with contextlib.suppress(tfc.TfcompressError):
            way(path, dataset, folder)


def settings():
    """Returns what a file may not change in this process."""
    return (
        [library.config.epsilon() for library in (keras_3,)],
        keras.backend.epsilon(),
        keras.backend.floatx(),
        keras_3.config.floatx(),
        keras.backend.image_data_format(),
        dict(keras.utils.get_custom_objects()),
        dict(os.environ),
        Path.cwd(),
        sys.getrecursionlimit(),
        "strange_module" in sys.modules,
    )


def memory(name):
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", status)[1])


def files_in(folder):
    paths = [path for path in folder.rglob("*") if "run" not in path.parts[:-1]]
    return {path.relative_to(folder): path.is_file() for path in paths}


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_a_bad_input_does_nothing_and_is_told(bad, tmp_path, dataset, monkeypatch):
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = bad.make(folder)
    monkeypatch.syspath_prepend(folder)
    is_tflite = path.suffix == ".tflite"
    before, files = settings(), files_in(folder)
    for way in WAYS if bad.first else WAYS[:1]:
        if bad.told == LOADS and way is run:
            continue
        Path("/proc/self/clear_refs").write_text("5")
        used = memory("VmRSS")
        heard.clear()
        try:
            said = way(path, dataset, tmp_path)
            assert bad.told == LOADS or (is_tflite and way is profile)
        except tfc.TfcompressError as error:
            assert bad.told != LOADS, f"{way.__name__}: {error}"
            assert error.exit_code == 1
            said = str(error).encode()
            assert b"\n" not in said
            assert path.name in str(error)
            assert re.search(bad.told, str(error)), f"{way.__name__}: {error}"
        assert heard == []
        assert memory("VmHWM") - used < MEMORY, way.__name__
        assert MARK not in said
        assert settings() == before
        assert files_in(folder) == files, way.__name__
    for left in (tmp_path / "run").rglob("*"):
        assert not left.is_file() or MARK not in left.read_bytes()


@pytest.mark.parametrize(
    "bad", [bad for bad in BAD_INPUTS if bad.bites], ids=lambda bad: bad.name
)
def test_keras_own_loader_does_what_the_file_wants(bad, tmp_path, monkeypatch):
    """So the tests above would fail if anything handed the file to that loader."""
    path = bad.make(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    model = None
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # Many fail, after the harm is done.
        print(error)
    sys.modules.pop("strange_module", None)
    stolen = model is not None and any(
        MARK in weight.tobytes() for weight in getattr(model, "get_weights", list)()
    )
    assert (tmp_path / "marker").exists() or stolen


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_strange_name_is_shown_and_never_obeyed(name, tmp_path):
    path = renamed(tmp_path, name)
    found, counted = tfc.diagnose(path), tfc.profile(path)
    # As a reader of the terminal or of a file meets it.
    for text in (str(found), counted.to_csv()):
        assert "\x1b" not in text
        assert "\x07" not in text
    rows = list(csv.DictReader(io.StringIO(counted.to_csv())))
    assert not [row for row in rows if row["name"][:1] in "=+-@"]
    assert [row["params"] for row in rows if row["type"] == "Conv2D"] == ["112"]
    assert json.loads(found.to_json())["layers"]


def tell(words, capfd):
    assert main(words) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert line.isprintable()
    return line


def named(name):
    return next(bad for bad in BAD_INPUTS if bad.name == name)


def recipe_for(path, dataset, folder):
    (folder / "theirs.py").write_text(
        "import tfcompress as tfc\n"
        f"RECIPE = tfc.Recipe(data=tfc.Data({dataset.name!r}), model={str(path)!r},\n"
        "    stages=(tfc.Pruning(final_sparsity=0.5, epochs=0),))\n"
    )
    return str(folder / "theirs.py")


def through_the_command_line(bad, command, tmp_path, dataset, capfd):
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = bad.make(folder)
    capfd.readouterr()
    files = files_in(folder)
    words = [command, str(path)]
    if command == "run":
        recipe = recipe_for(path, dataset, tmp_path)
        words = ["run", recipe, f"--workdir={tmp_path / 'run'}"]
    if bad.told == LOADS:
        assert main(words) == 0
        said = capfd.readouterr().out
        assert "\x1b" not in said
    else:
        said = tell(words, capfd)
        assert re.search(bad.told, said)
    assert MARK.decode() not in said
    assert files_in(folder) == files


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("02_lambda_in_h5_tf_keras", "profile"),
        ("09_raw_operation_that_makes_a_folder_keras", "run"),
    ],
)
def test_the_command_line_tells_it_in_one_line(name, command, tmp_path, dataset, capfd):
    through_the_command_line(named(name), command, tmp_path, dataset, capfd)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad", [bad for bad in BAD_INPUTS if bad.first], ids=lambda bad: bad.name
)
def test_the_command_line_tells_every_kind_in_one_line(bad, tmp_path, dataset, capfd):
    through_the_command_line(bad, "doctor", tmp_path, dataset, capfd)


def test_no_traceback_leaves_a_process_of_its_own(tmp_path):
    bad = named("07_function_of_keras_in_a_dead_node_keras_3.keras")
    path = bad.make(tmp_path)
    command = [sys.executable, "-m", "tfcompress", "doctor", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot load {path}: ")


ODD = (None, True, -1, 0, 1e300, 10**12, "", "x", [], {}, [None], [[]], {"a": 1})


def places(value, path=()):
    """Yields the way to every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def replace_at_random(random):
    def change(config):
        way = random.choice(list(places(config)))
        inner = config
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = random.choice(ODD)

    return change


def load_with_damage(seed, kind, folder):
    change = replace_at_random(random.Random(seed))
    path = either(folder, kind, change=change)
    Path("/proc/self/clear_refs").write_text("5")
    used, before = memory("VmRSS"), settings()
    heard.clear()
    try:
        tfc.load_model(path)
    except tfc.TfcompressError as error:
        assert path.name in str(error)
    assert heard == []
    assert settings() == before
    assert memory("VmHWM") - used < MEMORY


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_of_a_config_may_be_anything(kind, tmp_path):
    for seed in range(20):
        load_with_damage(seed, kind, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_value_of_a_config_may_be_anything_many_times(kind, tmp_path):
    for seed in range(300):
        load_with_damage(seed, kind, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_byte_of_a_file_may_be_any_other(kind, tmp_path):
    path = either(tmp_path, kind)
    sound = path.read_bytes()
    for seed in range(200):
        rng = random.Random(seed)
        content = bytearray(sound)
        for _ in range(rng.choice([1, 1, 4, 64])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(tfc.TfcompressError):
            tfc.load_model(path)
