import importlib.util
import sys

import numpy as np
import pytest
import tf_keras as keras
import tiny
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import tfcompress as tfc
from tfcompress.errors import ExportError

layers = keras.layers
IMAGES = np.random.default_rng(0).random((8, 8, 8, 1), dtype=np.float32)
needs_quantizer = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_quantizer") is None,
    reason="ai-edge-quantizer is not installed",
)


def net(num_features=64):
    """Odd numbers of weights, and enough that constants go behind the flatbuffer."""
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(image)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(num_features, name="hidden")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="net")


def outputs(path, kernels=OpResolverType.AUTO):
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    results = []
    for image in IMAGES:
        taken = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(taken, image[np.newaxis])
        interpreter.invoke()
        given = interpreter.get_output_details()[0]["index"]
        results.append(interpreter.get_tensor(given))
    return np.concatenate(results)


@needs_quantizer
def test_the_audit_names_the_precision_of_each_layer(tmp_path):
    artifact = tfc.export_tflite(net(), tmp_path / "m.tflite", quantization="int4")
    found = {p.layer: p.weights for p in artifact.audit.precisions if p.weights}
    expected = {"conv": "int4", "depthwise": "float32", "hidden": "int4"}
    assert found == {**expected, "logits": "int4"}
    assert {p.activations for p in artifact.audit.precisions} == {"float32"}
    # Symmetric: of the 16 values, -8 stands for nothing.
    values = {k.layer: k.counts.num_values for k in artifact.audit.kernels}
    assert values["hidden"] == 15


@needs_quantizer
def test_weights_are_those_of_the_model_in_steps_of_a_seventh(tmp_path):
    model = net()
    path = tmp_path / "m.tflite"
    tfc.export_tflite(model, path, quantization="int4")
    (graph,) = tfc.profiling.tflite_graph.read_tflite(path)
    stored = next(op.inputs[1] for op in graph.ops if op.inputs[1].shape == (3, 64))
    kernel = model.get_layer("logits").kernel.numpy().T
    steps = np.abs(kernel).max(axis=1, keepdims=True) / 7
    np.testing.assert_allclose(stored.scales, steps.ravel(), rtol=1e-6)
    np.testing.assert_array_equal(
        stored.values().reshape(3, 64), np.round(kernel / steps)
    )


@needs_quantizer
def test_the_profile_counts_two_weights_to_a_byte(tmp_path):
    path = tmp_path / "m.tflite"
    tfc.export_tflite(net(), path, quantization="int4", slim=False)
    layers_of = {row.name: row for row in tfc.profile(path, latency=False).layers}
    # 9 * 5 weights are 22.5 bytes.
    assert layers_of["conv"].kernel_params == 45
    assert layers_of["conv"].weight_bytes["int4"] == 23
    # 4 * 4 * 5 features to 64.
    assert layers_of["hidden"].weight_bytes["int4"] == 80 * 64 // 2
    assert layers_of["logits"].weight_bytes["int4"] == 64 * 3 // 2
    assert layers_of["depthwise"].weight_bytes == {"float32": 45 * 4}


@needs_quantizer
@pytest.mark.parametrize("num_features", [16, 8192])
@pytest.mark.parametrize("kernels", [OpResolverType.AUTO, OpResolverType.BUILTIN_REF])
def test_a_slimmed_file_computes_the_same(tmp_path, num_features, kernels):
    """At 8192 features the quantizer writes constants behind the flatbuffer."""
    paths = [tmp_path / "slim.tflite", tmp_path / "plain.tflite"]
    model = net(num_features)
    slim, plain = (
        tfc.export_tflite(model, path, quantization="int4", slim=path is paths[0])
        for path in paths
    )
    assert slim.size_bytes < plain.size_bytes
    assert slim.audit == plain.audit
    np.testing.assert_array_equal(*(outputs(path, kernels) for path in paths))


@needs_quantizer
def test_outputs_are_those_of_the_model_with_rounded_kernels(tmp_path):
    model = net()
    path = tmp_path / "m.tflite"
    first = tfc.export_tflite(model, path, quantization="int4")
    assert first == tfc.export_tflite(model, path, quantization="int4")
    for name in ("conv", "hidden", "logits"):
        kernel = model.get_layer(name).kernel
        axes = tuple(range(kernel.shape.rank - 1))
        steps = np.abs(kernel.numpy()).max(axis=axes) / 7
        kernel.assign(np.round(kernel.numpy() / steps) * steps)
    expected = model(IMAGES, training=False).numpy()
    # What a layer is given is rounded to 255 steps, three times over.
    np.testing.assert_allclose(
        outputs(path), expected, atol=0.02 * np.abs(expected).max()
    )


@needs_quantizer
def test_nothing_is_printed(tmp_path, capfd, caplog):
    capfd.readouterr()
    tfc.export_tflite(tiny.model(), tmp_path / "m.tflite", quantization="int4")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert not caplog.records


@needs_quantizer
def test_a_model_without_such_kernels_is_refused(tmp_path):
    plain = keras.Sequential([layers.Input((8, 8, 1)), layers.MaxPooling2D()])
    with pytest.raises(ExportError, match="no kernel"):
        tfc.export_tflite(plain, tmp_path / "m.tflite", quantization="int4")


@pytest.fixture
def without_quantizer(monkeypatch):
    """The package cannot be found: what `pip install tfcompress` alone gives."""
    find = importlib.util.find_spec
    absent = {"ai_edge_quantizer": None}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: absent.get(name, name) and find(name)
    )
    monkeypatch.delitem(sys.modules, "ai_edge_quantizer", raising=False)


def test_without_the_package_the_extra_is_named_before_anything_is_trained(
    tmp_path, without_quantizer
):
    message = r"pip install 'tfcompress\[int4\]'"
    with pytest.raises(ExportError, match=message):
        tfc.export_tflite(net(), tmp_path / "m.tflite", quantization="int4")
    assert not (tmp_path / "m.tflite").exists()
    recipe = tfc.Recipe(
        data=tfc.Data(f"npz:{tiny.npz(tmp_path)}"),
        model=tfc.Architecture("ds_cnn"),
        stages=(tfc.Training(epochs=1),),
        export=tfc.Export(quantization="int4"),
    )
    with pytest.raises(ExportError, match=message):
        tfc.run_recipe(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "stages").exists()
