import numpy as np
import pytest

from tfcompress.channels.coupling import Call, Channels, Coupling, WallError


def test_new_channels_have_nothing_to_do_with_each_other():
    coupling = Coupling()
    first, second = coupling.new(3, axis=2), coupling.new(2, axis=0)
    groups = coupling.groups()
    assert len(groups) == 5
    assert [*groups.of(first), *groups.of(second)] == [0, 1, 2, 3, 4]
    assert (first.axis, first.size, second.axis, second.size) == (2, 3, 0, 2)


def test_ties_carry_over():
    coupling = Coupling()
    a, b, c = (coupling.new(3, 0) for _ in range(3))
    coupling.tie(a.ids, b.ids)
    coupling.tie(b.ids[1:], c.ids[:2])  # b1 = c0, b2 = c1
    groups = coupling.groups()
    assert groups.of(a).tolist() == groups.of(b).tolist() == [0, 1, 2]
    assert groups.of(c).tolist() == [1, 2, 3]
    assert len(groups) == 4


def test_shapes_that_fit_by_stretching_are_tied():
    coupling = Coupling()
    parts = coupling.new(6, 0).ids.reshape(3, 2)
    coupling.tie(parts[:1], parts)
    assert coupling.groups().of_id.tolist() == [0, 1, 0, 1, 0, 1]
    with pytest.raises(ValueError):
        coupling.tie(np.arange(2), np.arange(3))


def test_a_long_chain_of_ties_is_one_group():
    coupling = Coupling()
    ids = coupling.new(5000, 0).ids
    coupling.tie(ids[:-1], ids[1:])
    assert len(coupling.groups()) == 1


def test_frozen_is_whatever_is_tied_and_the_first_reason_is_told():
    coupling = Coupling()
    a, b = coupling.new(2, 0), coupling.new(2, 0)
    coupling.freeze(b.ids[:1], "one")
    coupling.freeze(b.ids, "two")
    coupling.tie(a.ids, b.ids)
    assert coupling.groups().reasons == ["one", "two"]


def test_balances_and_needs_are_told_in_groups():
    coupling = Coupling()
    a, b = coupling.new(4, 0), coupling.new(4, 0)
    coupling.tie(a.ids, b.ids)
    coupling.balance(b.ids.reshape(2, 2))
    coupling.need(b.ids[1:3])
    groups = coupling.groups()
    assert [part.tolist() for part in groups.balances] == [[[0, 1], [2, 3]]]
    # A balance needs one channel of a part: all lose as many.
    assert [part.tolist() for part in groups.needed] == [[0, 1], [1, 2]]


def test_without_channels_there_are_no_groups():
    assert len(Coupling().groups()) == 0


@pytest.mark.parametrize(
    ("settings", "axis", "fits"),
    [
        ({}, 2, True),
        ({}, 0, False),
        ({"data_format": "channels_last"}, 2, True),
        ({"data_format": "channels_first"}, 2, False),
    ],
)
def test_a_call_tells_whether_channels_come_last(settings, axis, fits):
    layer = type("Layer", (), settings)()
    node = type("Node", (), {"layer": layer})()
    call = Call(node, [Channels(axis, np.arange(3))], [(4, 4, 3)], (2, 2, 3))
    assert call.last == 2
    assert call.axes(-1) == call.axes([3]) == [2]
    if fits:
        call.need_last()
    else:
        with pytest.raises(WallError, match="another axis"):
            call.need_last()
