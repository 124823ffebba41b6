from tfcompress.profiling import LayerProfile
from tfcompress.reporting.layers import paired_layers


def layer(name, params=0):
    return LayerProfile(name, "Conv2D", (1,), params, params, 0)


def test_layers_are_paired_by_name_in_the_order_they_have_after():
    before = [layer("a", 1), layer("gone", 2), layer("b", 3)]
    after = [layer("b", 4), layer("new", 5), layer("a", 6)]
    pairs = [
        (
            pair.name,
            pair.before and pair.before.params,
            pair.after and pair.after.params,
        )
        for pair in paired_layers(before, after)
    ]
    assert pairs == [("b", 3, 4), ("new", None, 5), ("a", 1, 6), ("gone", 2, None)]


def test_layers_of_one_name_are_paired_one_by_one():
    before, after = [layer("a", 1), layer("a", 2)], [layer("a", 3)]
    pairs = paired_layers(before, after)
    assert [(p.before.params, p.after and p.after.params) for p in pairs] == [
        (1, 3),
        (2, None),
    ]
