import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.data import from_arrays
from tfcompress.errors import ModelError
from tfcompress.export import export_tflite
from tfcompress.profiling.keras_model import profile_keras_model
from tfcompress.profiling.tflite_file import (
    _notes,
    _read_bytes,
    _scratch,
    profile_tflite,
)
from tfcompress.profiling.tflite_tensors import Graph, Op, Tensor

layers = keras.layers
NONE = np.empty(0)


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
    profile = profile_tflite(path)
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


def test_bytes_and_memory_by_arithmetic(tmp_path, model):
    path = tmp_path / "m.tflite"
    export_tflite(model, path, DATA, "int8", slim=False)
    profile = profile_tflite(path)
    by_name = {layer.name: layer for layer in profile.layers if layer.macs}
    conv = by_name["conv"]
    # 216 weights of 8 bits, six biases of 32; the input is read, the output written.
    assert conv.weight_bytes == {"int8": 216, "int32": 24}
    assert conv.read_bytes == 8 * 8 * 4 + 216 + 24
    assert conv.written_bytes == 4 * 4 * 6
    assert conv.dtype == "int8"
    # A bias and ReLU6, two comparisons, beside the MACs.
    assert conv.flops == 2 * conv.macs + 3 * 4 * 4 * 6
    totals = profile.totals
    weights = sum(totals.weight_bytes.values())
    assert totals.other_bytes == totals.size_bytes - weights
    place = profile.layers.index(conv)
    assert profile.memory.live_bytes[place] == 8 * 8 * 4 + 4 * 4 * 6
    assert totals.peak_memory_bytes >= max(profile.memory.live_bytes)
    assert profile.notes == ()


def one_op(name, inputs, output, dtype="int8"):
    tensors = [Tensor("t", dtype, shape, NONE, NONE, None) for shape in inputs]
    given = Tensor("o", dtype, output, NONE, NONE, None)
    return Op(name, tuple(tensors), (given,))


def test_a_selection_reads_what_it_writes():
    gather = one_op("GATHER", [(1000, 8), (3,)], (3, 8))
    assert _read_bytes(gather) == 3 * 8 + 3


@pytest.mark.parametrize(
    ("dtype", "num_bytes"), [("int8", 40), ("int16", 80), ("float32", 0)]
)
def test_integer_sums_need_room(dtype, num_bytes):
    mean = one_op("MEAN", [(1, 4, 4, 10)], (1, 10), dtype)
    (sums,) = _scratch(mean)
    assert sums.num_bytes == num_bytes
    assert _scratch(one_op("ADD", [(1, 4)], (1, 4))) == []


def test_what_cannot_be_counted_is_noted(tmp_path):
    ops = (one_op("CUSTOM:Odd", [(1,)], (1,)), one_op("WHILE", [(1,)], (1,)))
    graph = Graph((), ops, (), ())
    assert _notes([graph]) == (
        "1 CUSTOM:Odd not counted: how much it computes is not in the file",
        "WHILE: the operators of all graphs are counted once, and the memory plan is "
        "that of the main graph",
    )


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


def test_a_file_of_a_fixed_batch_counts_as_the_live_model_does(tmp_path):
    found = {}
    for batch_size in (1, 4):
        net = keras.Sequential(
            [
                layers.Input((8, 8, 3), batch_size=batch_size),
                layers.Conv2D(4, 3, bias_initializer="ones"),
                layers.Flatten(),
                layers.Dense(5, bias_initializer="ones"),
            ]
        )
        path = tmp_path / f"{batch_size}.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(net).convert())
        found[batch_size] = profile_tflite(path)
        live = profile_keras_model(net)
        # 36 places of 27x4 weights, and 144 numbers to 5.
        assert found[batch_size].totals.macs == batch_size * (36 * 108 + 720)
        assert live.totals.macs == found[batch_size].totals.macs
        assert live.notes == found[batch_size].notes
    one, four = (found[size].totals.modelled_energy for size in (1, 4))
    assert one.compute_millijoules == pytest.approx(four.compute_millijoules)
    assert "of a run of 4 examples" in found[4].notes[0] and not found[1].notes
