"""What the doctor promises of a layer is what happens to it, for every kind."""

import int8_file
import numpy as np
import pytest
from contract import layer_kinds

import tfcompress as tfc
from tfcompress.errors import ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 4)).astype("float32")
MAX_STEPS = {
    # A softmax has steps of a 256th: one is a lot among 64 weights.
    "Attention": 4,
    "Attention with a scale": 4,
    # The converter makes a part int8 that is not rounded in training.
    "Attention of sums": 16,
    "AdditiveAttention": 16,
}


def int8_audit(model, path, kind, keep_float=()):
    """Exports a model, checks what the file computes, and returns its audit."""
    quantized = fake_quantize(model, keep_float=keep_float)
    calibrate(quantized, IMAGES)
    audit = tfc.export_tflite(quantized, path).audit
    assert int8_file.steps_off(path, quantized, IMAGES) <= MAX_STEPS.get(kind, 2) + 0.01
    outputs, step = int8_file.run(path, IMAGES)
    assert np.ptp(outputs) > 100 * step
    return audit


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*layer_kinds.KINDS, *layer_kinds.ACTIVE])
def test_a_layer_does_what_the_doctor_says(kind, tmp_path):
    model = tfc.load_model(layer_kinds.network(kind))
    path = tmp_path / "net.tflite"
    found = tfc.diagnose(model).rows
    # A layer may have become several, all named after it.
    rows = [row for row in found if row.name.startswith(layer_kinds.NAME)]
    refused = [row for row in rows if row.int8_export.startswith("no: ")]
    assert refused == [row for row in rows if row.qat.startswith("no: ")]
    if not refused:
        assert not int8_audit(model, path, kind).float_ops
        return
    allowed = [row.name for row in refused]
    with pytest.raises(ModelError, match=f"layer '{allowed[0]}"):
        fake_quantize(model)
    if "in float neither" in refused[0].int8_export or kind in layer_kinds.ACTIVE:
        with pytest.raises(ModelError, match="cannot be exported"):
            fake_quantize(model, keep_float=allowed)
        return
    float_ops = int8_audit(model, path, kind, allowed).float_ops
    in_float = {layer for op, layer in float_ops if "QUANTIZE" not in op}
    assert in_float and in_float <= set(allowed)
