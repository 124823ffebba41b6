import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.litert import LITERT

layers = keras.layers


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = keras.Sequential([layers.Input((2, 2, 1)), layers.Flatten()])
    path = tmp_path_factory.mktemp("litert") / "m.tflite"
    return export_tflite(model, path, quantization="float32").path


def children():
    return {
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


def test_batches_of_any_size_come_back_in_order(path):
    images = np.arange(44, dtype=np.float32).reshape(11, 2, 2, 1)
    batches = [images[:3], images[3:10], images[10:]]
    outputs = list(LITERT.run_batches(path, batches, batch_size=4))
    assert [len(output) for output in outputs] == [3, 7, 1]
    np.testing.assert_array_equal(np.concatenate(outputs), images.reshape(11, 4))


def test_death_of_the_child_is_one_line_and_leaves_this_process_alive(path):
    image = np.zeros((1, 2, 2, 1), np.float32)
    before = children()
    outputs = LITERT.run_batches(path, iter([image] * 3), batch_size=1)
    next(outputs)
    (child,) = children() - before
    os.kill(child, signal.SIGSEGV)
    with pytest.raises(ModelError, match=r"m.tflite: it crashed \(SIGSEGV\)"):
        list(outputs)
    assert children() == before


def test_child_ends_with_the_generator(path):
    image = np.zeros((1, 2, 2, 1), np.float32)
    before = children()
    outputs = LITERT.run_batches(path, iter([image] * 3), batch_size=1)
    next(outputs)
    outputs.close()
    assert children() == before


def test_randomly_damaged_files_never_harm_this_process(path, tmp_path):
    content = path.read_bytes()
    image = np.ones((1, 2, 2, 1), np.float32)
    ends = set()
    for seed in range(6):
        random = np.random.default_rng(seed)
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[random.integers(len(damaged), size=20)] = random.integers(256, size=20)
        file = tmp_path / f"{seed}.tflite"
        file.write_bytes(damaged.tobytes())
        try:
            list(LITERT.run_batches(file, [image], batch_size=1))
            ends.add("ran")
        except ModelError as error:
            assert "\n" not in str(error)
            ends.add("refused")
    assert "refused" in ends
