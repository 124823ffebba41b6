import pytest

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


def test_without_baseline_there_is_one_curve():
    blur = rows("blur", baseline=None)
    result = Robustness("m", None, None, 10, 0, 0.95, None, blur)
    (panel,) = drawn(tfc.plot_robustness(result))
    assert len(panel.lines) == 1


def test_nothing_to_draw_is_refused():
    result = Robustness("m", None, None, 10, 0, 0.95, None, ())
    with pytest.raises(InvalidArgumentError, match="no perturbations"):
        tfc.plot_robustness(result)
