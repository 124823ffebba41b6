import numpy as np
import pytest
import tiny

import tfcompress as tfc
from tfcompress.reporting.facts import artifact_facts, baseline_facts

LABELS = np.array([0, 1, 2, 0])
# Three of four are right; of the artifact's two; it agrees with Keras in three.
BEFORE, AFTER, KERAS = (
    np.eye(3, dtype=np.float32)[list(classes)]
    for classes in ((0, 1, 2, 1), (0, 1, 1, 1), (0, 1, 1, 2))
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = tiny.model()
    path = tmp_path_factory.mktemp("file") / "a.tflite"
    return model, tfc.export_tflite(model, path, quantization="float32")


def test_baseline(exported):
    model, artifact = exported
    facts = baseline_facts(model, artifact, BEFORE, LABELS)
    assert (facts["top1"], facts["top5"]) == (0.75, 1.0)
    assert facts["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert facts["per_class"] == [0.5, 1.0, 1.0]
    assert facts["params"] == model.count_params()
    file = facts["tflite"]
    assert file["size_bytes"] == artifact.path.stat().st_size
    assert file["latency_ms"]["p50"] > 0


def test_artifact(exported):
    _, artifact = exported
    facts = artifact_facts(artifact, AFTER, LABELS, KERAS)
    assert facts["top1"] == 0.5
    assert facts["keras_agreement"] == 0.75
    assert facts["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert facts["path"] == "a.tflite"
    assert facts["sha256"] == artifact.sha256
    assert facts["ops"] == artifact.audit.ops
