from tfcompress.profiling import LayerProfile, Profile, Totals
from tfcompress.reporting.model_view import model_view


def layer(name, kernel, nonzero, **weight_bytes):
    return LayerProfile(
        *(name, "CONV_2D", (4, 4, 2), kernel, nonzero, 10 * kernel, kernel, nonzero),
        weight_bytes=weight_bytes,
    )


BEFORE = (layer("conv_a", 8, 8, float32=32), layer("gone", 1, 1, float32=4))
AFTER = (layer("conv_a", 8, 2, int8=8, int32=4), layer("conv_b", 4, 4, int8=4))


def profile(layers, kind="tflite", notes=()):
    totals = Totals.of(layers, content=b"x" * 100)
    return Profile("file", kind, totals, tuple(layers), notes=notes)


def test_layers_before_and_after():
    view = model_view("m", {"before": profile(BEFORE), "after": profile(AFTER)})
    layers = view["layers"]
    assert layers["head"] == [
        *("layer", "type", "output", "params before", "after", "MACs before", "after"),
        *("bytes before", "after", "zeros", "share"),
    ]
    texts = [[cell.text for cell in row["cells"]] for row in layers["rows"]]
    assert texts == [
        ["conv_a", "CONV_2D", "4x4x2", "8", "8", "80", "80", "32", "12", "75.0%"],
        ["conv_b", "CONV_2D", "4x4x2", "", "4", "", "40", "", "4", "0.0%"],
        ["gone", "CONV_2D", "4x4x2", "1", "", "10", "", "4", "", ""],
    ]
    # Of 16 bytes after, 12 and 4.
    assert [row["share"] for row in layers["rows"]] == [75.0, 25.0, 0]


def test_bytes_before_and_after():
    view = model_view("m", {"before": profile(BEFORE), "after": profile(AFTER)})
    rows = {
        row[0].text: [cell.text for cell in row[1:]] for row in view["bytes"]["rows"]
    }
    assert rows["float32 weights"] == ["36", "0"]
    assert rows["int8 weights"] == ["0", "12"]
    assert rows["not weights"] == ["64", "84"]
    assert rows["file"] == ["100", "100"]


def test_a_model_alone_has_no_before():
    view = model_view("m", {"m": profile(AFTER, "keras", notes=("not counted",))})
    assert not view["has_before"]
    assert view["bytes"] is None
    assert view["memory"] == []
    assert view["layers"]["head"][3:] == ["params", "MACs", "bytes", "zeros", "share"]
    assert view["skipped"]["notes"] == ["not counted"]
    assert view["stages"] is view["confusion"] is None
