import tiny

import tfcompress as tfc
from tfcompress.profiling import LayerProfile
from tfcompress.reporting.layers import paired_layers


def layer(name, params=0, kind="Conv2D"):
    return LayerProfile(name, kind, (1,), params, params, 0)


def shown(pairs):
    """Returns names, and parameters before and after."""
    return [
        (
            pair.name,
            pair.before and pair.before.params,
            pair.after and pair.after.params,
        )
        for pair in pairs
    ]


def test_layers_are_paired_by_name_in_the_order_they_have_after():
    before = [layer("conv_a", 1), layer("gone", 2), layer("conv_b", 3)]
    after = [layer("conv_b", 4), layer("new", 5), layer("conv_a", 6)]
    pairs = shown(paired_layers(before, after))
    assert pairs == [
        ("conv_b", 3, 4),
        ("new", None, 5),
        ("conv_a", 1, 6),
        ("gone", 2, None),
    ]


def test_layers_of_one_name_are_paired_one_by_one():
    before, after = [layer("conv", 1), layer("conv", 2)], [layer("conv", 3)]
    assert shown(paired_layers(before, after)) == [("conv", 1, 3), ("conv", 2, None)]


def test_layers_without_names_are_paired_by_type_in_order():
    named = [
        layer("stem", 1),
        layer("norm", 2, "BatchNormalization"),
        layer("depthwise", 3, "DepthwiseConv2D"),
        layer("head", 4),
    ]
    # As numbers they would pair 0 with 0.
    slimmed = [
        layer("0", 5, "QUANTIZE"),
        layer("a", 6, "CONV_2D"),
        layer("1c", 7, "DEPTHWISE_CONV_2D"),
        layer("1d", 8, "CONV_2D"),
    ]
    pairs = [("stem", 1, 6), ("depthwise", 3, 7), ("head", 4, 8)]
    assert shown(paired_layers(named, slimmed)) == [
        ("0", None, 5),
        *pairs,
        ("norm", 2, None),
    ]
    back = [(name, after, before) for name, before, after in pairs]
    assert shown(paired_layers(slimmed, named)) == [
        back[0],
        ("norm", None, 2),
        *back[1:],
        ("0", 5, None),
    ]
    other = [layer(name, 9, "CONV_2D") for name in ("0", "1")]
    assert shown(paired_layers(slimmed, other)) == [
        ("0", 6, 9),
        ("1d", 8, 9),
        ("0", 5, None),
        ("1c", 7, None),
    ]


def test_an_operator_more_among_types_that_recur_moves_no_pair():
    kinds = 3 * ["CONV_2D", "DEPTHWISE_CONV_2D"]
    before = [layer(f"long_{place}", place, kind) for place, kind in enumerate(kinds)]
    after = [layer(str(place), place, kind) for place, kind in enumerate(kinds)]
    after.insert(2, layer("6", 6, "ADD"))
    assert [
        (pair.before and pair.before.params, pair.after.params)
        for pair in paired_layers(before, after)
    ] == [(0, 0), (1, 1), (None, 6), (2, 2), (3, 3), (4, 4), (5, 5)]


def test_one_model_alone_keeps_its_names():
    assert shown(paired_layers([], [layer("0", 1)])) == [("0", None, 1)]


def test_a_slimmed_file_stands_beside_the_file_that_it_was_made_from(tmp_path):
    path, slimmed = tmp_path / "a.tflite", tmp_path / "b.tflite"
    tfc.export_tflite(tiny.model(), path, tiny.data(), "float32")
    for names in ("short", "drop"):
        tfc.slim_tflite(path, slimmed, names=names)
        before, after = (
            tfc.profile(each, latency=False).layers for each in (path, slimmed)
        )
        pairs = paired_layers(before, after)
        assert [pair.name for pair in pairs] == [layer.name for layer in before]
        assert all(pair.before.macs == pair.after.macs for pair in pairs)
