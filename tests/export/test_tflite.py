import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from tfcompress.data import Data, from_arrays
from tfcompress.errors import (
    ExportError,
    FloatOpError,
    InvalidArgumentError,
    ModelError,
    WorkdirError,
)
from tfcompress.export import Export, audit_tflite, export_tflite
from tfcompress.quantization.calibration import Calibration

layers = keras.layers
IMAGES = np.random.default_rng(0).random((32, 8, 8, 1), dtype=np.float32)


def image_data(images=IMAGES):
    split = (images, np.arange(len(images)) % 3)
    return from_arrays(train=split, test=split, validation=split)


DATA = image_data()


def conv_model(head=()):
    """conv - BN - relu6 - depthwise - mean - dense, all names left to Keras."""
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            *head,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def seeded(model):
    random = np.random.default_rng(1)
    model.set_weights(
        [random.uniform(0.1, 0.9, value.shape) for value in model.get_weights()]
    )
    return model


@pytest.fixture(scope="module")
def model():
    return seeded(conv_model())


@pytest.fixture(scope="module")
def qat_model(model):
    quantized = tfmot.quantization.keras.quantize_model(keras.models.clone_model(model))
    for _ in range(3):
        quantized(IMAGES, training=True)
    return quantized


def run_float(path, images):
    """Runs a file on real-valued images, whatever its input and output types."""
    interpreter = Interpreter(str(path))
    (taken,), (given,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    interpreter.resize_tensor_input(taken["index"], images.shape)
    interpreter.allocate_tensors()
    if taken["dtype"] != np.float32:
        scale, zero = taken["quantization"]
        limits = np.iinfo(taken["dtype"])
        images = np.clip(np.rint(images / scale) + zero, limits.min, limits.max)
    interpreter.set_tensor(taken["index"], images.astype(taken["dtype"]))
    interpreter.invoke()
    output = interpreter.get_tensor(given["index"])
    if given["dtype"] == np.float32:
        return output
    scale, zero = given["quantization"]
    return (output.astype(np.float32) - zero) * scale


# Rounding to 8 bits errs by about 1/256 of the range in each of five operators.
@pytest.mark.parametrize(
    ("quantization", "dtype", "share"),
    [
        ("float32", "float32", 1e-5),
        ("float16", "float32", 2e-3),
        ("dynamic", "float32", 5 / 256),
        ("int8", "int8", 5 / 256),
        ("int16x8", "int16", 5 / 256),
    ],
)
def test_file_answers_as_the_keras_model_does(
    tmp_path, model, quantization, dtype, share
):
    artifact = export_tflite(model, tmp_path / "m.tflite", DATA, quantization)
    expected = model(IMAGES, training=False).numpy()
    error = np.abs(run_float(artifact.path, IMAGES) - expected).max()
    assert error <= share * np.abs(expected).max()
    assert artifact.audit.input.dtype == artifact.audit.output.dtype == dtype


def test_int8_file_is_all_integer_with_int8_ports_and_kernels_per_channel(
    tmp_path, model
):
    artifact = export_tflite(
        model, tmp_path / "m.tflite", DATA, calibration=Calibration(num_images=8)
    )
    audit = artifact.audit
    assert dict(audit.ops) == {
        "CONV_2D": 1,
        "DEPTHWISE_CONV_2D": 1,
        "FULLY_CONNECTED": 1,
        "MEAN": 1,
    }
    assert audit.float_ops == audit.float_tensors == ()
    assert audit.input.shape == (1, 8, 8, 1)
    assert audit.output.shape == (1, 3)
    # Calibrated on images that fill [0, 1): 255 steps, zero at the bottom.
    assert audit.input.scale == pytest.approx(1 / 255, rel=0.02)
    assert audit.input.zero_point == -128
    assert artifact.calibration_indices == DATA.calibration(8, 0).indices
    details = Interpreter(str(artifact.path)).get_tensor_details()
    scales = {
        tuple(each["shape"]): len(each["quantization_parameters"]["scales"])
        for each in details
    }
    assert scales[(4, 3, 3, 1)] == 4
    assert scales[(1, 3, 3, 4)] == 4


def test_one_scale_in_all_costs_what_small_channels_lose(tmp_path, model):
    uneven = keras.models.clone_model(model)
    uneven.set_weights(model.get_weights())
    kernel = uneven.layers[0].kernel
    # Of one channel in four a step of the largest is a fifth of the weights.
    kernel.assign(kernel * [1.0, 0.05, 1.0, 1.0])
    uneven.layers[-1].kernel.assign(uneven.layers[-1].kernel * [[1.0], [20], [1], [1]])
    expected = uneven(IMAGES, training=False).numpy()
    errors, scales = {}, {}
    for per_channel in (True, False):
        path = tmp_path / f"{per_channel}.tflite"
        export_tflite(uneven, path, DATA, per_channel=per_channel)
        errors[per_channel] = np.abs(run_float(path, IMAGES) - expected).mean()
        details = Interpreter(str(path)).get_tensor_details()
        scales[per_channel] = [
            len(each["quantization_parameters"]["scales"])
            for each in details
            if tuple(each["shape"]) in ((4, 3, 3, 1), (1, 3, 3, 4))
        ]
    assert scales == {True: [4, 4], False: [1, 1]}
    assert errors[True] < errors[False]
    assert (tmp_path / "False.tflite").stat().st_size < (
        (tmp_path / "True.tflite").stat().st_size
    )


def test_qat_model_needs_no_data_and_keeps_its_own_ranges(tmp_path, qat_model):
    artifact = export_tflite(qat_model, tmp_path / "m.tflite")
    assert artifact.audit.float_ops == ()
    assert artifact.calibration_indices == ()
    ranges = {weight.name: float(weight.numpy()) for weight in qat_model.weights[:2]}
    low, high = sorted(ranges.values())
    assert artifact.audit.input.scale == pytest.approx((high - low) / 255, rel=1e-3)
    expected = qat_model(IMAGES, training=False).numpy()
    error = np.abs(run_float(artifact.path, IMAGES) - expected).max()
    assert error <= 2 * artifact.audit.output.scale


def test_equal_weights_give_an_equal_file_whatever_was_built_before(
    tmp_path, model, qat_model
):
    for original in (model, qat_model):
        first = export_tflite(original, tmp_path / "a.tflite", DATA)
        names = [layer.name for layer in original.layers]
        for _ in range(3):  # Keras numbers on: conv2d_1, conv2d_2, ...
            later = conv_model()
        if original is qat_model:
            later = tfmot.quantization.keras.quantize_model(later)
        later.set_weights(original.get_weights())
        assert [layer.name for layer in later.layers] != names
        assert export_tflite(later, tmp_path / "b.tflite", DATA).sha256 == (
            first.sha256
        )
        assert [layer.name for layer in original.layers] == names


def test_equal_weights_give_an_equal_file_in_another_process(tmp_path, model):
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('other', sys.argv[1])\n"
        "other = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(other)\n"
        "model = other.seeded(other.conv_model())\n"
        "for kind in ('float32', 'int8'):\n"
        "    path = f'{sys.argv[2]}/{kind}.tflite'\n"
        "    print(other.export_tflite(model, path, other.DATA, kind).sha256)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    here = [
        export_tflite(model, tmp_path / "here.tflite", DATA, kind).sha256
        for kind in ("float32", "int8")
    ]
    assert done.stdout.split() == here


def test_nothing_is_printed(tmp_path, model, capfd, caplog, recwarn):
    capfd.readouterr()
    export_tflite(model, tmp_path / "m.tflite", DATA)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert not caplog.records
    assert not recwarn.list


def test_int8_without_data_is_refused(tmp_path, model):
    with pytest.raises(InvalidArgumentError, match="needs data to calibrate"):
        export_tflite(model, tmp_path / "m.tflite")


def test_data_of_another_size_is_refused(tmp_path, model):
    with pytest.raises(ModelError, match=r"\(6, 8, 1\)"):
        export_tflite(model, tmp_path / "m.tflite", image_data(IMAGES[:, :6]))


@pytest.mark.parametrize("quantization", ["float32", "dynamic", "int16x8"])
def test_qat_model_fits_int8_only(tmp_path, qat_model, quantization):
    with pytest.raises(InvalidArgumentError, match="fits int8 only"):
        export_tflite(qat_model, tmp_path / "m.tflite", DATA, quantization)


def test_float_op_left_is_an_error_that_names_op_and_layer(tmp_path):
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    partly = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, name="stem"),
            layers.GlobalAveragePooling2D(name="mean"),
            annotate(layers.Dense(3, name="head")),
        ]
    )
    partly = tfmot.quantization.keras.quantize_apply(partly)
    path = tmp_path / "m.tflite"
    with pytest.raises(FloatOpError, match="CONV_2D in layer 'stem'"):
        export_tflite(partly, path)
    assert not path.exists()


def test_op_unknown_to_the_converter_is_one_line(tmp_path):
    odd = conv_model([layers.Lambda(tf.math.digamma, name="digamma")])
    with pytest.raises(ExportError, match="cannot convert") as caught:
        export_tflite(odd, tmp_path / "m.tflite", quantization="float32")
    assert "no operator for Digamma, " in str(caught.value)
    assert "layer 'digamma' computes" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("quantization", ["float32", "float16", "dynamic"])
def test_outputs_are_in_the_order_of_the_model(tmp_path, model, quantization):
    heads = [layers.Dense(size, name=f"of_{size}") for size in range(2, 14)]
    several = keras.Model(model.input, [h(model.layers[-2].output) for h in heads])
    path = tmp_path / "m.tflite"
    export_tflite(several, path, quantization=quantization)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], IMAGES[:1])
    interpreter.invoke()
    ports = interpreter.get_output_details()
    expected = several(IMAGES[:1], training=False)
    for port, values in zip(ports, expected, strict=True):
        got = interpreter.get_tensor(port["index"])
        np.testing.assert_allclose(got, values, rtol=0.02, atol=0.02)


def test_integer_files_want_one_output(tmp_path, model):
    several = keras.Model(model.input, [model.output, model.layers[-2].output])
    with pytest.raises(ModelError, match="has 2 outputs and int8 wants one"):
        export_tflite(several, tmp_path / "m.tflite", DATA)


def test_what_an_int8_model_is_planned_by_is_handed_on(tmp_path):
    head = [layers.Rescaling(2.0), layers.Conv2D(1, 1), layers.AveragePooling2D()]
    model = seeded(
        keras.Sequential([layers.Input((8, 8, 1)), *head, *conv_model().layers])
    )
    operators = {}
    for name, options in (
        ("default", {}),
        ("builtin", {"operators": "builtin"}),
        ("fold", {"preprocessing": "fold"}),
    ):
        artifact = export_tflite(model, tmp_path / "m.tflite", DATA, **options)
        operators[name] = artifact.audit.ops
    assert "AVERAGE_POOL_2D" not in operators["default"]
    assert "AVERAGE_POOL_2D" in operators["builtin"]
    assert sum(operators["fold"].values()) < sum(operators["default"].values())


@pytest.mark.parametrize(
    "options",
    [
        {"operators": "builtin"},
        {"preprocessing": "fold"},
        {"keep_float": ("conv",)},
        {"per_channel": False},
    ],
)
def test_what_comes_too_late_or_is_for_int8_is_refused(tmp_path, qat_model, options):
    with pytest.raises(InvalidArgumentError, match="comes too late"):
        export_tflite(qat_model, tmp_path / "m.tflite", **options)
    with pytest.raises(InvalidArgumentError, match=r"is for int8, but .* float32"):
        Export(quantization="float32", **options)


@pytest.mark.parametrize("path", [".", "", 3, None])
def test_a_path_that_is_no_files_is_refused_first(model, path):
    with pytest.raises(WorkdirError, match="cannot write to"):
        export_tflite(model, path, DATA)


def test_data_that_is_not_loaded_is_refused(tmp_path, model):
    with pytest.raises(InvalidArgumentError, match=r"tfc\.data\.load"):
        export_tflite(model, tmp_path / "m.tflite", Data("fashion_mnist_small"))


def test_nan_weight_exports_nothing_and_names_it(tmp_path):
    broken = conv_model()
    kernel = broken.layers[0].kernel
    kernel.assign(tf.fill(kernel.shape, np.nan))
    path = tmp_path / "m.tflite"
    path.write_bytes(b"before")
    with pytest.raises(ModelError, match=r"NaN or infinite values in conv2d.*kernel"):
        export_tflite(broken, path, quantization="float32")
    assert path.read_bytes() == b"before"


def test_pruning_wrappers_are_refused(tmp_path, model):
    pruning = tfmot.sparsity.keras.prune_low_magnitude(keras.models.clone_model(model))
    with pytest.raises(ModelError, match="pruning wrappers"):
        export_tflite(pruning, tmp_path / "m.tflite", DATA)


@pytest.mark.parametrize("broken", [object(), conv_model])
def test_no_keras_model_is_refused(tmp_path, broken):
    with pytest.raises(ModelError, match="expected a tf_keras model"):
        export_tflite(broken, tmp_path / "m.tflite", DATA)


def test_open_input_size_is_refused(tmp_path):
    free = keras.Sequential([layers.Input((None, None, 1)), layers.Conv2D(2, 1)])
    with pytest.raises(ModelError, match="height, width and channels are numbers"):
        export_tflite(free, tmp_path / "m.tflite", DATA)


def test_file_in_place_of_the_folder_is_one_line(tmp_path, model):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkdirError):
        export_tflite(model, tmp_path / "file" / "m.tflite", quantization="float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantization": "int2"}, "quantization='int2' must be 'float32' or"),
        ({"port_type": "int16"}, "port_type='int16' must be 'int8' or 'uint8'"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, model, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Export(**arguments)
    with pytest.raises(InvalidArgumentError, match=message):
        export_tflite(model, tmp_path / "m.tflite", DATA, **arguments)


def test_integer_files_are_slim_unless_told_otherwise(tmp_path, qat_model):
    paths = [tmp_path / "slim.tflite", tmp_path / "plain.tflite"]
    slim = export_tflite(qat_model, paths[0])
    plain = export_tflite(qat_model, paths[1], slim=False)
    assert slim.size_bytes < 0.85 * plain.size_bytes
    assert slim.audit == plain.audit
    results = [run_float(path, IMAGES) for path in paths]
    np.testing.assert_array_equal(*results)


def test_float_files_stay_as_the_converter_wrote_them(tmp_path, model):
    path = tmp_path / "m.tflite"
    slim = export_tflite(model, path, quantization="float32")
    plain = export_tflite(model, path, quantization="float32", slim=False)
    assert slim == plain


def test_export_says_what_the_file_says(tmp_path, model):
    artifact = export_tflite(model, tmp_path / "m.tflite", DATA, slim=False)
    assert artifact.audit == audit_tflite(tmp_path / "m.tflite")
