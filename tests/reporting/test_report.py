import dataclasses
import hashlib
import json

import pytest

from tfcompress.errors import WorkdirError
from tfcompress.profiling.latency import LatencyRatio
from tfcompress.reporting.report import SCHEMA_VERSION, Report

ARTIFACT = b"flatbuffer"


def report(**artifact):
    latency = {"p10": 0.2, "p50": 0.25, "p90": 0.5, "mean": 1.25}
    latency |= {"num_runs": 9, "num_threads": 1}
    return Report(
        schema_version=SCHEMA_VERSION,
        recipe={"name": "a|b", "digest": "0" * 64, "seed": 0},
        environment={"python": "3", "cpu": None},
        data={"name": "tiny", "num_test": 30},
        baseline={
            "top1": 0.9,
            "top5": 1.0,
            "params": 1000,
            "macs": 5000,
            "tflite": {"size_bytes": 4000, "gzip_bytes": 3600, "latency_ms": latency},
        },
        stages=[
            {
                "name": "00_training",
                "kind": "Training",
                "seconds": 1.25,
                "top1": 0.9,
                "top5": 1.0,
                "params": 1000,
                "nonzero_params": 1000,
                "sparsity": 0.0,
                "macs": 5000,
            }
        ],
        artifact={
            "path": "model.tflite",
            "sha256": hashlib.sha256(ARTIFACT).hexdigest(),
            "top1": 0.8875,
            "top5": 1.0,
            "keras_agreement": 0.995,
            "size_bytes": 1000,
            "gzip_bytes": 300,
            "macs": 2500,
            "ops": {"CONV_2D": 3},
            "float_ops": [],
            "latency_ms": {**latency, "p50": 0.1, "mean": 0.75},
            **artifact,
        },
        comparison={},
    ).compared(LatencyRatio(2.5, 2.25, 2.75, 0.95, 9))


def test_ratios_are_baseline_over_artifact():
    assert report().comparison == {
        "top1_drop": pytest.approx(0.0125),
        "size_ratio": 4.0,
        "gzip_ratio": 12.0,
        "latency_ratio": 2.5,
        "latency_ratio_low": 2.25,
        "latency_ratio_high": 2.75,
        "macs_ratio": 2.0,
    }


def test_a_report_that_did_not_keep_the_interval_is_read():
    values = json.loads(json.dumps(report().to_dict()))
    del values["comparison"]["latency_ratio_low"]
    del values["comparison"]["latency_ratio_high"]
    old = Report.from_dict(values)
    assert ", 2.5x faster, " in old.headline()
    assert "(200, 500) us | 2.50x |" in old.to_markdown()


def test_headline_is_one_line_with_every_gain_and_the_loss():
    assert report().headline("runs/a") == (
        "12.0x smaller (gzip; raw 4.0x), 2.5x faster (2.2 to 2.8), "
        "-1.25 points: runs/a/model.tflite"
    )
    assert "+1.00 points" in report(top1=0.91).headline()
    assert "+0.00 points" in report(top1=0.9).headline()
    slower = report().compared(LatencyRatio(0.5, 0.4, 0.625, 0.95, 9))
    assert ", 2.0x slower (1.6 to 2.5), " in slower.headline()


def test_json_round_trip():
    assert Report.from_dict(json.loads(json.dumps(report().to_dict()))) == report()


@pytest.mark.parametrize("damage", ["schema_version", "artifact", "extra"])
def test_damaged_json_is_refused(damage):
    values = report().to_dict()
    if damage == "extra":
        values["extra"] = 1
    else:
        del values[damage]
    with pytest.raises(WorkdirError, match=r"report\.json"):
        Report.from_dict(values)


def test_markdown_shows_figures_and_escapes_names():
    text = report().to_markdown()
    assert "# a\\|b" in text
    assert "| top-1 | 90.00% | 88.75% | -1.25 points |" in text
    assert "| gzip -9 | 3,600 | 300 | 12.00x |" in text
    assert (
        "| latency p50 (p10, p90) | 250 (200, 500) us | 100 (200, 500) us "
        "| 2.50x (2.25 to 2.75) |"
    ) in text
    assert "| mean time of an image | 1.25 ms | 750 us |  |" in text
    assert "| cpu | not known |" in text
    assert "| CONV\\_2D | 3 |" in text


def test_markdown_shows_what_was_skipped_and_why():
    assert "skipped" not in report().to_markdown()
    part = {"technique": "pruning", "layer": "a_conv", "why": "no: too small"}
    text = dataclasses.replace(report(), skipped=[part]).to_markdown()
    assert "## What was skipped, and why" in text
    assert "| pruning | a\\_conv | no: too small |" in text


def test_gains_are_what_the_headline_says():
    values = [value for value, _ in report().gains()]
    assert values == [
        "12.0x smaller",
        "2.5x faster (2.2 to 2.8)",
        "-1.25 points",
        "2.0x",
    ]


def test_markdown_shows_weights_of_the_file_where_a_stage_promised_something():
    kernel = {"layer": "a_conv", "num_weights": 1024, "num_zeros": 256}
    kernel |= {"num_values": 16, "num_channel_values": 9}
    whole = report(kernels=[kernel])
    assert "Weights in the file" not in whole.to_markdown()
    row = {**whole.stages[0], "name": "01_clustering", "kind": "Clustering"}
    text = dataclasses.replace(whole, stages=[*whole.stages, row]).to_markdown()
    assert "| a\\_conv | 1,024 | 25.0% | 16 | 9 |" in text


def test_precisions_are_shown_where_there_are_several():
    conv = {"layer": "a", "op": "CONV_2D", "activations": "int8", "weights": "int8"}
    last = {"layer": "b", "op": "SOFTMAX", "activations": "float32", "weights": None}
    assert "Precision" not in report(precisions=[conv, conv]).to_markdown()
    text = report(precisions=[conv, last]).to_markdown()
    assert "| layer | operator | activations | weights |" in text
    assert "| a | CONV\\_2D | int8 | int8 |" in text
    assert "| b | SOFTMAX | float32 |  |" in text
