import io
import json

import tiny
from PIL import Image
from run_folder import make_run

import tfcompress as tfc
from tfcompress.reporting.comparison import Comparison
from tfcompress.reporting.figures import FIGURES, Row
from tfcompress.reporting.pictures import comparison_pictures, pareto_axes


def rows(*figures):
    return tuple(
        Row("a", "tflite", {name: each.get(name) for name in FIGURES})
        for each in figures
    )


def test_every_picture_of_a_run_is_there(tmp_path):
    found = tfc.compare([make_run(tmp_path / "a")], latency=False)
    pictures = comparison_pictures(found)
    assert {"1_stages.png", "1_bytes.png", "1_robustness.png"} <= set(pictures)
    assert {"1_memory_before.png", "1_memory_after.png"} <= set(pictures)
    # Latency is 0.1 and 0.25 ms; nothing has MACs.
    assert "pareto_latency_ms.png" in pictures
    assert "pareto_macs.png" not in pictures
    for content in pictures.values():
        assert Image.open(io.BytesIO(content)).format == "PNG"


def test_what_is_the_same_for_all_is_not_drawn():
    one = {"top1": 0.5, "macs": 3, "size_bytes": 1, "params": 1}
    two = {"top1": 0.6, "macs": 3, "size_bytes": 2, "latency_ms": 1.0, "params": 2}
    assert pareto_axes(Comparison(rows(one, two))) == ("top1", ["size_bytes"])
    comparison = Comparison(rows(one, two), axes=("sparsity", "params"))
    assert pareto_axes(comparison) == ("sparsity", [])
    comparison = Comparison(rows(one, two), axes=("params", "top1"))
    assert pareto_axes(comparison) == ("top1", ["size_bytes", "params"])


def test_every_picture_of_models_that_are_no_runs_is_there(tmp_path):
    data = tiny.data()
    tfc.export_tflite(
        constant_model(2), tmp_path / "b.tflite", data, quantization="int8"
    )
    how = tfc.Perturbations(corruptions=("brightness",), attacks=(), strengths=(1,))
    models = [constant_model(0), tmp_path / "b.tflite"]
    found = tfc.compare(models, data=data, robustness=how, latency=False)
    pictures = comparison_pictures(found)
    assert {name for name in pictures if not name.startswith("pareto")} == {
        *("memory_1.png", "memory_2.png", "bytes_2.png", "robustness_2.png"),
        "changed_2.png",
    }
    # Ten images of each class: all change, ten are lost, ten won; 24 are shown.
    (changed,) = json.loads(found.to_json())["changed"].values()
    assert [changed[f"num_{what}"] for what in ("changed", "lost", "won")] == [
        *(30, 10, 10)
    ]
    assert Image.open(io.BytesIO(pictures["changed_2.png"])).size == (24 * 96, 96)


def constant_model(answer):
    """A model that calls every image the same."""
    model = tiny.model()
    kernel, bias = model.get_layer("logits").get_weights()
    bias[answer] = 9
    model.get_layer("logits").set_weights([0.01 * kernel, bias])
    return model
