import numpy as np
import tiny

import tfcompress as tfc
from tfcompress.channels.families import Limits
from tfcompress.channels.removal import Removable

SMALL = Limits(round_to=1, min_channels=1)


def scores(removable):
    return np.random.default_rng(0).random(len(removable.everything))


def test_what_a_model_can_lose():
    removable = Removable(tiny.model())
    (family,) = removable.families
    # The projection is added to what comes through the depthwise layer.
    assert family.layers == ("stem_conv", "block_depthwise", "block_project")
    assert len(family.groups) == 8
    everything = {"stem_conv": 8, "block_depthwise": 8, "block_project": 8, "logits": 3}
    assert removable.widths(removable.everything) == {
        name: (size, size) for name, size in everything.items()
    }
    assert removable.reasons() == {"logits is an output of the model": 1}


def test_a_model_without_its_channels():
    model = tiny.model()
    before = model.get_weights()
    removable = Removable(model)
    macs = removable.cost.macs
    target = 0.5 * macs(removable.everything)
    keep = removable.choose(scores(removable), SMALL, "global", macs, target)
    smaller = removable.without(keep)
    # n channels: 64 n 9 + 16 n 9 + 16 n n + 3 n is 6808 of all 8; with 4, 3148.
    assert macs(removable.everything) == 64 * 72 + 16 * 72 + 16 * 64 + 24 == 6808
    assert tfc.profile(smaller).totals.macs == macs(keep) == 3148
    assert smaller.name == "tiny" and smaller.output_shape == (None, 3)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_ignored_layers_stay():
    removable = Removable(tiny.model(), ["block_project"])
    assert removable.families == []
    assert removable.reasons() == {
        "block_project is in ignore": 3,
        "logits is an output of the model": 1,
    }


def test_ranking_by_layer_takes_the_same_share_of_each():
    model = tfc.models.mobilenet_v1((16, 16, 1), 3, alpha=0.125)
    removable = Removable(model)
    macs, target = removable.cost.macs, 0.5 * removable.cost.macs(removable.everything)
    shares = {}
    # Scores that global ranking follows down to the limits in the first layers.
    rising = np.arange(len(removable.everything), dtype=float)
    for ranking in ("global", "layer"):
        keep = removable.choose(rising, SMALL, ranking, macs, target)
        assert macs(keep) <= target
        left = [keep[family.groups].mean() for family in removable.families]
        sizes = [len(family.groups) for family in removable.families]
        shares[ranking] = np.ptp(np.array(left)[np.array(sizes) >= 16])
    assert shares["layer"] < 0.1 < shares["global"]
