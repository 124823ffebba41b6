import numpy as np
import pytest

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError
from tfcompress.sensitivity.channels import Sensitivity, SensitivityRow

CHANNELS = {"stem": (16, 8), "block_$1$_conv": [32, 32], "odd\x1bname": (24, 1)}
SCAN = Sensitivity(
    "net",
    "l2",
    100,
    0.9,
    (
        SensitivityRow(("stem",), 0.25, 0.25, 0.8),
        SensitivityRow(("stem",), 0.5, 0.5, 0.4),
        SensitivityRow(("block_a", "block_b", "block_c"), 0.25, 0.0, 0.9),
        SensitivityRow(("block_a", "block_b", "block_c"), 0.5, 0.5, 0.05),
    ),
)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_channels_are_bars_before_and_after(tmp_path):
    figure = tfc.plot_channels(CHANNELS)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [16, 32, 24, 8, 32, 1]
    assert texts(axes) == [" 8 of 16", " 32", " 1 of 24"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["stem", "block_$1$_conv", r"odd\x1bname"]
    bottom, top = axes.get_ylim()
    assert bottom > top
    figure.savefig(tmp_path / "channels.png")
    assert (tmp_path / "channels.png").read_bytes().startswith(b"\x89PNG")


def test_sensitivity_is_a_map_with_numbers(tmp_path):
    figure = tfc.plot_sensitivity(SCAN)
    axes, bar = figure.axes
    (image,) = axes.images
    np.testing.assert_allclose(
        image.get_array().filled(-1), [[80, 40], [-1, 5]], atol=1e-9
    )
    assert image.get_clim() == (0, 90)
    assert texts(axes) == ["80.0", "40.0", "5.0"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["stem", "block_a +2"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["25%", "50%"]
    assert "100 validation images; whole model 90.0" in bar.get_ylabel()
    figure.savefig(tmp_path / "sensitivity.png")
    assert (tmp_path / "sensitivity.png").read_bytes().startswith(b"\x89PNG")


def test_no_layers_are_refused():
    with pytest.raises(InvalidArgumentError, match="no layers"):
        tfc.plot_channels({})
