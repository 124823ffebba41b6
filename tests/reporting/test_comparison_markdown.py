from run_folder import make_run

import tfcompress as tfc
from tfcompress.reporting.comparison import Comparison
from tfcompress.reporting.figures import FIGURES, Row


def row(name, **known):
    return Row(name, "tflite", {figure: known.get(figure) for figure in FIGURES})


def test_it_marks_the_front_and_escapes_names():
    rows = (
        row("a|<b>", top1=0.5, size_bytes=1000),
        row("c", top1=0.25, size_bytes=2000),
    )
    text = Comparison(rows).to_markdown()
    assert "| model | kind | Pareto | top-1 | bytes |" in text
    assert "| a\\|\\<b\\> | tflite | yes | 50.00% | 1,000 |" in text
    assert "| c | tflite |  | 25.00% | 2,000 |" in text
    assert "What differs" not in text


def test_it_has_the_settings_that_differ(tmp_path):
    runs = [
        make_run(tmp_path / name, max_top1_drop=drop)
        for name, drop in (("a", 0.01), ("b", 0.02))
    ]
    text = tfc.compare(runs, latency=False).to_markdown()
    assert "| recipe.max\\_top1\\_drop | 0.01 | 0.02 |" in text
