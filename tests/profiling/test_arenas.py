import sys

import numpy as np
import pytest
import tf_keras as keras

import tfcompress as tfc
from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.arenas import Arena, _covered, measure_arenas
from tfcompress.profiling.stored_values import micro_arena
from tfcompress.profiling.tflite_file import profile_tflite


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("arenas") / "m.tflite"
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((24, 24, 4)),
            layers.Conv2D(8, 1),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(4, 1, strides=2),
        ]
    )
    export_tflite(model, path, quantization="float32")
    return path


def test_the_runtime_allocates_what_is_planned(path):
    arenas, missing = measure_arenas(path)
    planned = profile_tflite(path).totals.peak_memory_bytes
    assert arenas[0].runtime == "LiteRT"
    # Two maps of 8 channels; LiteRT keeps its input, of 4, to the end.
    assert planned == 2 * 24 * 24 * 8 * 4
    expected = planned + 24 * 24 * 4 * 4
    assert abs(arenas[0].tensor_bytes / expected - 1) < 0.05
    assert len(arenas) + len(missing) == 2


def test_a_runtime_that_is_not_installed_is_told(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    (line,) = measure_arenas(path)[1]
    assert "pip install 'tfcompress[micro]'" in line


def test_micro_takes_what_is_planned_within_five_percent(path):
    tensor_bytes, persistent_bytes = micro_arena(path)
    planned = profile_tflite(path).totals.peak_memory_bytes
    assert abs(tensor_bytes / planned - 1) < 0.05
    assert persistent_bytes > 0
    assert (
        Arena("TensorFlow Lite Micro", tensor_bytes, persistent_bytes)
        in (measure_arenas(path)[0])
    )


@pytest.mark.parametrize(
    ("name", "alpha"),
    [("mobilenet_v1", 0.25), ("mobilenet_v2", 0.35), ("shufflenet_v2", 0.5)],
)
def test_micro_takes_what_is_planned_for_an_int8_network(tmp_path, name, alpha):
    shape = (32, 32, 3)
    keras.utils.set_random_seed(0)
    model = getattr(tfc.models, name)(shape, 10, alpha=alpha)
    images = np.random.default_rng(0).random((20, *shape), np.float32)
    labels = np.arange(20) % 10
    data = tfc.data.from_arrays((images, labels), (images, labels))
    path = export_tflite(model, tmp_path / "m.tflite", data, "int8").path
    tensor_bytes, _ = micro_arena(path)
    planned = profile_tflite(path).totals.peak_memory_bytes
    assert abs(planned / tensor_bytes - 1) < 0.05


def test_a_damaged_file_is_a_line_a_runtime(tmp_path, path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(path.read_bytes()[:100])
    arenas, missing = measure_arenas(cut)
    assert arenas == () and len(missing) == 2
    with pytest.raises(ModelError):
        micro_arena(cut)


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([(10_000, 10_100)], 100),
        ([(10_100, 10_200), (10_000, 10_050)], 200),  # a gap within an arena
        ([(10_000, 10_100), (99_000, 99_010)], 110),  # two arenas
        ([(10_000, 10_100), (10_020, 10_030)], 100),
        ([], 0),
    ],
)
def test_bytes_are_those_of_the_blocks(spans, covered):
    assert _covered(spans) == covered
