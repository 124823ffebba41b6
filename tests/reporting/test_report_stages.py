from tfcompress.reporting.report_stages import stage_parts

ROW = {
    **{"name": "00_training", "kind": "Training", "seconds": 1.25, "top1": 0.9},
    **{"top5": 1.0, "params": 1000, "nonzero_params": 750, "sparsity": 0.25},
    "macs": 5000,
}


def test_a_row_a_stage_and_what_its_figures_mean():
    _, table, note = stage_parts([ROW])
    line = "| 00\\_training | 1.2 | 90.00% | 1,000 | 750 | 25.0% | 5,000 |"
    assert line in table
    assert "does not run faster" in note


def test_where_int8_loses_most():
    worst = {
        **{"name": "a_conv", "type": "Conv2D", "own_sqnr_db": 12.34, "sqnr_db": None},
        **{"clipped": 0.015, "hint": "range too narrow"},
    }
    facts = {"worst_layers": [worst]}
    row = {**ROW, "name": "01_quantization_aware", "facts": facts}
    text = "\n".join(stage_parts([ROW, row]))
    assert "## Where 01\\_quantization\\_aware loses most" in text
    folder = "stages/01_quantization_aware/quantization_errors"
    assert f"![quantization errors]({folder}.png)" in text
    line = "| a\\_conv | Conv2D | 12.3 dB | exact | 1.50% | range too narrow |"
    assert line in text


def test_what_was_removed():
    facts = {
        "reached": {"macs": 0.4975, "params": 0.31},
        "float_latency_ms": {"before": 2.0, "after": 1.25},
        "channels": {"a_conv": [32, 8], "b_conv": [16, 16]},
        "dropped": ["stage2_block*"],
    }
    row = {**ROW, "name": "01_channel_pruning", "facts": facts}
    text = "\n".join(stage_parts([ROW, row]))
    assert "## What 01\\_channel\\_pruning removed" in text
    assert "## What 00" not in text
    assert (
        "Kept: 49.8% of macs, 31.0% of params. As float32 files, timed in alternation: "
        "2 ms before, 1.25 ms after, 1.6x faster. Blocks dropped: stage2\\_block\\*."
    ) in text
    assert "![channels](stages/01_channel_pruning/channels.png)" in text
    assert "| a\\_conv | 32 | 8 | 25% |" in text
    assert "| b\\_conv | 16 | 16 | 100% |" in text
