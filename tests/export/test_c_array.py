import re
import shutil
import subprocess

import numpy as np
import pytest
import small_file
import tiny
from ai_edge_litert import schema_py_generated as schema

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError, WorkdirError
from tfcompress.export import Artifact
from tfcompress.export.c_array import c_identifier

SAMPLE = np.array([-9.0, -0.5, 0.0, 0.25, 1.0, 99.0]).reshape(2, 3, 1)
# Scale 0.5, zero point -3; RELU cuts off below it.
STORED = [-21, -4, -3, -3, -1, 127]
GIVEN = [-3, -3, -3, -3, -1, 127]
NASTY_NAMES = [
    "model",
    "int",
    "0day",
    "__reserved",
    "a*/ evil(); /*",
    'x"; system("rm"); "',
    "line\n#error no",
    "trigraph??/",
    "backslash\\",
    "Überraschung",
    "名前",
    "a" * 300,
    "%s{name}",
]

MAIN = """
#include <cstdio>
#include "NAME.h"
int main() {
  std::printf("%zu\\n", reinterpret_cast<std::size_t>(NAME_data) % 16);
  for (std::size_t i = 0; i < NAME_size; ++i) std::printf("%d ", NAME_data[i]);
  std::printf("\\n");
  for (int side : NAME_input_shape) std::printf("%d ", side);
  std::printf("\\n%.9g %d\\n", NAME_input_scale, NAME_input_zero_point);
  for (auto value : NAME_test_input) std::printf("%d ", value);
  std::printf("\\n");
  for (auto value : NAME_test_output) std::printf("%d ", value);
  std::printf("\\n%d\\n", NAME_test_tolerance);
}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(small_file.relu_file())
    return path


def compiled(array, folder):
    """Builds a program with the files, all warnings being errors; returns its lines."""
    compiler = shutil.which("g++") or pytest.skip("needs g++")
    (folder / "main.cc").write_text(MAIN.replace("NAME", array.name))
    options = [
        "-std=c++11",
        "-Wall",
        "-Wextra",
        "-pedantic",
        "-Werror",
        f"-I{array.header.parent}",
    ]
    sources = [folder / "main.cc", array.source]
    subprocess.run([compiler, *options, *sources, "-o", folder / "main"], check=True)
    done = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_firmware_gets_the_file_and_what_it_must_give(path, tmp_path):
    array = tfc.export_c_array(path, tmp_path / "firmware", sample=SAMPLE)
    assert array.header == tmp_path / "firmware" / "model.h"
    lines = compiled(array, tmp_path)
    assert lines[0] == "0"
    assert bytes(map(int, lines[1].split())) == path.read_bytes()
    assert lines[2].split() == ["1", "2", "3", "1"]
    assert lines[3] == "0.5 -3"
    assert list(map(int, lines[4].split())) == STORED
    assert list(map(int, lines[5].split())) == GIVEN
    assert lines[6] == "1"


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_identifiers_are_valid_whatever_the_name(name):
    identifier = c_identifier(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", identifier)
    assert "__" not in identifier
    assert not identifier.endswith("_")
    assert len(identifier) < 60
    assert c_identifier(identifier) == identifier


def test_no_name_breaks_out(path, tmp_path):
    array = tfc.export_c_array(path, tmp_path / "out", name='x*/"; evil(); /*\n#e\\')
    assert array.name == "x_evil_e"
    assert array.header == tmp_path / "out" / "x_evil_e.h"
    # As it stands before _data and the like, a word of the language is a name.
    assert c_identifier("int") == "int"


def test_the_name_of_the_file_does_not_break_out(path, tmp_path):
    nasty = path.with_name("a\n#error \\\n*_.tflite")
    path.rename(nasty)
    array = tfc.export_c_array(nasty, tmp_path)
    assert array.name == "a_error"
    assert "// File a__error_____.tflite:" in array.header.read_text()
    assert compiled(array, tmp_path)[0] == "0"


def test_an_artifact_will_do_and_the_same_seed_gives_the_same_files(path, tmp_path):
    audit = tfc.audit_tflite(path)
    artifact = Artifact.of(path, path.read_bytes(), "int8", audit)
    texts = [
        tfc.export_c_array(given, tmp_path, seed=seed).source.read_text()
        for given, seed in ((artifact, 0), (path, 0), (path, 1))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_floats_are_written_exactly(tmp_path):
    path = tmp_path / "float.tflite"
    path.write_bytes(small_file.relu_file(dtype=0, scale=None))
    sample = np.float32([-1, 0, 1e-30, 0.1, 1 / 3, 3e30]).reshape(2, 3, 1)
    source = tfc.export_c_array(path, tmp_path, sample=sample).source.read_text()
    rows = re.findall(r"_length\] = \{\n(.*?)\n\};", source, re.DOTALL)
    given = [
        np.float32(word.strip().removesuffix("f"))
        for word in rows[1].replace("\n", " ").split(",")[:-1]
    ]
    np.testing.assert_array_equal(given, np.maximum(sample.ravel(), 0))
    assert "0.1f" in rows[0]
    assert "1.0" not in (tmp_path / "float.h").read_text()


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (np.zeros((3, 2, 1)), r"shape \(3, 2, 1\); expected \(2, 3, 1\)"),
        (np.full((2, 3, 1), np.nan), "NaN"),
        (np.full((2, 3, 1), np.inf), "infinite"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(path, tmp_path, sample, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tfc.export_c_array(path, tmp_path, sample=sample)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": schema.TensorType.INT64}, "int64"),
        ({"scale": float("nan")}, "scale nan"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"shape": ()}, r"int8 \[\]"),
    ],
)
def test_inputs_that_firmware_cannot_take_are_refused(tmp_path, changes, message):
    path = tmp_path / "odd.tflite"
    path.write_bytes(small_file.relu_file(**changes))
    with pytest.raises(ModelError, match=message):
        tfc.export_c_array(path, tmp_path)
    assert not (tmp_path / "odd.h").exists()


def test_a_damaged_file_and_a_file_in_place_of_the_folder_are_one_line(path, tmp_path):
    with pytest.raises(WorkdirError):
        tfc.export_c_array(path, path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ModelError, match="damaged"):
        tfc.export_c_array(path, tmp_path)


def test_a_keras_model_in_place_of_a_file_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="a Functional was given; expected the path"):
        tfc.export_c_array(tiny.model(), tmp_path)
