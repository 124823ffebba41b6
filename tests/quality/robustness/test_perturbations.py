from dataclasses import replace

import numpy as np
import pytest
import tiny

from tfcompress.errors import DataError, InvalidArgumentError
from tfcompress.quality.robustness.corruptions import CORRUPTIONS
from tfcompress.quality.robustness.perturbations import (
    Condition,
    Perturbations,
    perturbed_batches,
)

DATA = tiny.data()


def samples(data=DATA, model=None, seed=0, **options):
    conditions = Perturbations(**options).conditions
    return list(perturbed_batches(data, conditions, model, seed))


def test_conditions_are_every_perturbation_at_every_strength():
    chosen = Perturbations(("blur", "jpeg"), attacks=("fgsm",), strengths=(5, 1))
    assert chosen.conditions == [
        Condition("blur", 1, 0.01, False),
        Condition("blur", 5, 0.04, False),
        Condition("jpeg", 1, 25, False),
        Condition("jpeg", 5, 7, False),
        Condition("fgsm", 1, 1 / 255, True),
        Condition("fgsm", 5, 16 / 255, True),
    ]
    assert len(Perturbations().conditions) == 5 * len(CORRUPTIONS)


def test_unchanged_images_come_first_and_then_each_condition():
    given = samples(corruptions=("brightness",), strengths=(1, 2))
    assert [sample.condition for sample in given] == [0, 1, 2]
    clean, *changed = given
    np.testing.assert_array_equal(clean.labels, DATA.test.labels)
    np.testing.assert_allclose(clean.images, DATA.test.images / 255.0, atol=1e-6)
    for sample, amount in zip(changed, (0.1, 0.2), strict=True):
        expected = np.clip(clean.images + amount, 0, 1)
        np.testing.assert_allclose(sample.images, expected, atol=1e-6)


@pytest.mark.parametrize("value_range", [(0.0, 255.0), (1.0, -1.0)])
def test_every_range_of_pixels_suffers_alike(value_range):
    options = {"corruptions": ("contrast", "jpeg"), "strengths": (3,)}
    low, high = value_range
    plain = samples(**options)
    ranged = samples(replace(DATA, value_range=value_range), **options)
    for one, other in zip(plain, ranged, strict=True):
        pixels = (other.images - low) / (high - low)
        # JPEG rounds to 1/255, which a rounding of float32 may turn.
        wrong = np.abs(pixels - one.images) > 1e-4
        assert wrong.mean() < 0.01


def test_what_happens_depends_on_seed_and_place_alone():
    options = {"corruptions": ("gaussian_noise",), "strengths": (2,)}
    first, again, other = (samples(seed=seed, **options) for seed in (0, 0, 1))
    fewer = replace(DATA, test=DATA.test.take(np.arange(7)))
    np.testing.assert_array_equal(first[1].images, again[1].images)
    assert np.any(first[1].images != other[1].images)
    part = samples(fewer, **options)[1].images
    np.testing.assert_allclose(part, first[1].images[:7], atol=1e-6)


def test_attacks_follow_the_model_that_is_given():
    clean, attacked = samples(
        model=tiny.model(), corruptions=(), attacks=("fgsm",), strengths=(5,)
    )
    moved = np.abs(attacked.images - clean.images)
    assert moved.max() == pytest.approx(16 / 255, abs=1e-6)


def test_pixels_outside_the_range_are_refused():
    images, labels = tiny.arrays()
    pair = (images / 255 * 4 - 2, labels)
    data = tiny.tfc.data.from_arrays(pair, pair)
    with pytest.raises(DataError, match=r"reach from -2 to .* \(0.0, 1.0\)"):
        samples(data, corruptions=("blur",))
    wide = replace(data, value_range=(-2.0, 2.0))
    assert len(samples(wide, corruptions=("blur",))) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruptions": ("blurr",)}, "no corruption 'blurr': did you mean 'blur'"),
        ({"corruptions": ("xyz",)}, "no corruption 'xyz': one of brightness, "),
        ({"corruptions": ("blur", "blur")}, "'blur' is named twice"),
        ({"corruptions": "blur"}, r"corruptions='blur' must be .* such as \('blur',\)"),
        ({"attacks": ("pdg",)}, "no attack 'pdg': did you mean 'pgd'"),
        ({"strengths": (0, 1)}, "strengths=.* one or more of 1"),
        ({"strengths": (6,)}, "strengths=.* one or more of 1"),
        ({"strengths": ()}, "strengths=.* one or more of 1"),
        ({"strengths": (2, 2)}, "different from each other"),
        ({"strengths": (1.5,)}, "a whole number"),
        ({"num_images": 0}, "num_images=0 must be 1 or more"),
        ({"seed": -1}, "seed=-1 must be a whole number from 0"),
    ],
)
def test_a_setting_outside_its_range_is_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Perturbations(**options)
