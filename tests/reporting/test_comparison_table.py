import io

from rich.console import Console
from run_folder import make_run

import tfcompress as tfc
from tfcompress.reporting.comparison_table import comparison_tables


def shown(comparison, diff_only=False):
    out = io.StringIO()
    console = Console(file=out, width=300)
    for table in comparison_tables(comparison, diff_only):
        console.print(table)
    return out.getvalue()


def test_figures_and_settings_that_differ(tmp_path):
    a = make_run(tmp_path / "[red]a", seed=1)
    b = make_run(tmp_path / "b", seed=2)
    text = shown(tfc.compare([a, b], latency=False))
    assert "[red]a (baseline)" in text
    assert "88.75%" in text
    assert "params" in text
    assert "recipe.seed" in text
    assert "params" not in shown(tfc.compare([a, b], latency=False), diff_only=True)


def test_one_run_has_no_differences(tmp_path):
    text = shown(tfc.compare([make_run(tmp_path / "a")], latency=False))
    assert "what differs" not in text
    assert "*" in text
