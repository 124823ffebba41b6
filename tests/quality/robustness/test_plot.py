import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError
from tfcompress.quality.robustness.result import Robustness, RobustnessRow


def rows(*names, baseline=0.8):
    return tuple(
        RobustnessRow(name, strength, 0.1, name == "pgd", 0.9 / strength, baseline)
        for name in names
        for strength in (1, 3)
    )


def drawn(figure):
    return [axes for axes in figure.axes if axes.axison]


def test_a_panel_a_perturbation_with_model_and_baseline(tmp_path):
    names = ("blur", "gaussian_noise", "jpeg", "contrast", "occlusion", "pgd")
    result = Robustness("a/$x$.tflite", "net", "net", 10, 0, 0.95, 0.85, rows(*names))
    figure = tfc.plot_robustness(result)
    panels = drawn(figure)
    titles = [panel.get_title() for panel in panels]
    assert titles == ["blur", "gaussian noise", "jpeg", "contrast", "occlusion", "pgd"]
    baseline, model = panels[0].lines
    assert list(model.get_xdata()) == [0, 1, 3]
    assert list(model.get_ydata()) == pytest.approx([95, 90, 30])
    assert list(baseline.get_ydata()) == pytest.approx([85, 80, 80])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["net", r"\$x\$.tflite"]
    assert panels[5].title.get_color() != panels[0].title.get_color()
    figure.savefig(tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_curves_that_coincide_are_both_seen():
    same = tuple(replace(row, baseline_top1=row.top1) for row in rows("blur"))
    figure = tfc.plot_robustness(Robustness("m", "b", None, 1, 0, 0.95, 0.95, same))
    (panel,) = drawn(figure)
    content = io.BytesIO()
    figure.savefig(content, dpi=100)
    with Image.open(content) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    x0, y0, x1, y1 = panel.get_window_extent().extents.astype(int)
    # Without the legend above; a picture's first line is the top one.
    inside = pixels[len(pixels) - y1 : len(pixels) - y0, x0:x1].reshape(-1, 3)
    for line in panel.lines:
        color = np.rint(255 * np.array(to_rgb(line.get_color())))
        assert np.all(inside == color, axis=1).sum() > 50


def test_every_column_has_its_strengths_below():
    figure = tfc.plot_robustness(
        Robustness("m", "b", None, 1, 0, 0.9, 0.9, rows(*"abcdefg"))
    )
    figure.draw_without_rendering()
    panels = drawn(figure)
    shown = [panel.xaxis.get_tick_params()["labelbottom"] for panel in panels]
    # Five columns: below the first two panels are others.
    assert shown == [False] * 2 + [True] * 5


def test_without_baseline_there_is_one_curve():
    blur = rows("blur", baseline=None)
    result = Robustness("m", None, None, 10, 0, 0.95, None, blur)
    (panel,) = drawn(tfc.plot_robustness(result))
    assert len(panel.lines) == 1


def test_nothing_to_draw_is_refused():
    result = Robustness("m", None, None, 10, 0, 0.95, None, ())
    with pytest.raises(InvalidArgumentError, match="no perturbations"):
        tfc.plot_robustness(result)
