import subprocess
import sys

import numpy as np
import pytest
import tf_keras as keras

from tfcompress.data import from_arrays
from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.tflite_file import profile_tflite

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential(
        [
            layers.Input((8, 8, 4)),
            layers.Conv2D(6, 3, strides=2, padding="same", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(6.0, name="relu"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.Conv2D(8, 1, groups=2, use_bias=False, name="grouped"),
            layers.ReLU(name="after_grouped"),
            layers.Conv2DTranspose(3, 2, strides=2, name="transposed"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(5, name="dense"),
        ]
    )
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    kernel = np.ones((3, 5))
    kernel[0] = 0
    model.get_layer("dense").set_weights([kernel, np.ones(5)])
    return model


DATA = from_arrays(
    train=(np.random.default_rng(0).random((20, 8, 8, 4)), np.arange(20) % 5),
    test=(np.zeros((5, 8, 8, 4)), np.arange(5)),
)


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic", "int8"])
def test_counts_by_arithmetic(tmp_path, model, quantization):
    path = tmp_path / "m.tflite"
    export_tflite(model, path, DATA, quantization, slim=False)  # which has the names
    profile = profile_tflite(path, latency=False)
    by_name = {layer.name: layer for layer in profile.layers if layer.macs}
    counts = {name: (layer.params, layer.macs) for name, layer in by_name.items()}
    assert counts == {
        # 8x8 with stride 2 is 4x4; BatchNorm is folded into kernel and bias.
        "conv": (6 * 3 * 3 * 4 + 6, 4 * 4 * 6 * 3 * 3 * 4),
        "depthwise": (6 * 3 * 3 + 6, 4 * 4 * 6 * 3 * 3),
        # Two groups: each of 8 outputs sees 3 of 6 inputs. TFLite adds a bias.
        "after_grouped": (8 * 3 + 8, 4 * 4 * 8 * 3),
        # Each of the 4x4 inputs is spread by a 2x2 kernel.
        "transposed": (3 * 2 * 2 * 8 + 3, 4 * 4 * 3 * 2 * 2 * 8),
        "dense": (3 * 5 + 5, 3 * 5),
    }
    assert profile.totals.macs == sum(macs for _, macs in counts.values())
    assert profile.totals.params == sum(params for params, _ in counts.values())
    assert by_name["dense"].sparsity == pytest.approx(5 / 15)
    assert by_name["dense"].nonzero_params == 10 + 5
    assert by_name["conv"].output_shape == (4, 4, 6)
    assert profile.totals.size_bytes == path.stat().st_size
    assert profile.totals.latency_ms is None


def test_latency_is_measured_when_asked_for(tmp_path, model):
    path = tmp_path / "m.tflite"
    export_tflite(model, path, quantization="float32")
    latency_ms = profile_tflite(path, num_threads=2).totals.latency_ms
    assert 0 < latency_ms["p10"] <= latency_ms["p90"]
    assert latency_ms["num_threads"] == 2


def test_tensorflow_is_not_imported(tmp_path, model):
    path = tmp_path / "m.tflite"
    export_tflite(model, path, quantization="float32")
    program = (
        "import sys\n"
        "from tfcompress.profiling.tflite_file import profile_tflite\n"
        "profile_tflite(sys.argv[1])\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_damaged_file_is_one_line(tmp_path, model):
    path = tmp_path / "m.tflite"
    export_tflite(model, path, quantization="float32")
    content = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(ModelError) as caught:
            profile_tflite(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
