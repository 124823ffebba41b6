import numpy as np
import pytest

from tfcompress.channels.cost import Kernel
from tfcompress.channels.importance import (
    IMPORTANCES,
    LayerStatistics,
    score_groups,
)
from tfcompress.errors import InvalidArgumentError, ModelError

# Three weights a channel, of three channels.
KERNEL = np.array([[3.0, 0, 1], [4, 0, 1], [0, -2, 1]])


def layer(name="a", kernel=KERNEL, gamma=None):
    return LayerStatistics(
        name,
        kernel,
        gamma,
        taylor=np.array([0.1, 0.2, 0.3]),
        activation=np.array([1.0, 2, 3]),
        random=np.random.default_rng(0),
    )


def kernel(name, outputs):
    return Kernel(name, np.array([], int), np.array(outputs), 1.0, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", [7, 2, 3]),
        ("l2", [5, 2, 3**0.5]),
        ("taylor", [0.1, 0.2, 0.3]),
        ("activation", [1, 2, 3]),
        # Distances: 01 (3, 4, 2), 02 (2, 3, -1), 12 (-1, -1, -3).
        (
            "fpgm",
            [29**0.5 + 14**0.5, 29**0.5 + 11**0.5, 14**0.5 + 11**0.5],
        ),
        ("bn", [np.nan] * 3),
    ],
)
def test_criteria(name, expected):
    np.testing.assert_allclose(IMPORTANCES[name](layer()), expected)


def test_gamma_counts_by_its_size():
    found = IMPORTANCES["bn"](layer(gamma=np.array([-2.0, 0, 1])))
    assert found.tolist() == [2, 0, 1]


def test_random_numbers_are_those_of_the_seed():
    expected = np.random.default_rng(0).random(3)
    np.testing.assert_array_equal(IMPORTANCES["random"](layer()), expected)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        # Group 0: 7 of layer a, 2 of b; group 1: 2 + 3 of a; group 2: 7 + 3 of b.
        ("sum", [9, 5, 10, np.nan]),
        ("mean", [4.5, 2.5, 5, np.nan]),
        ("max", [7, 3, 7, np.nan]),
    ],
)
def test_what_a_group_is_worth(reduction, expected):
    kernels = {"a": kernel("a", [0, 1, 1]), "b": kernel("b", [2, 0, 2])}
    found = score_groups(
        IMPORTANCES["l1"], [layer("a"), layer("b")], kernels, 4, reduction, False
    )
    np.testing.assert_array_equal(found, expected)


def test_normalized_scores_have_a_mean_of_one_in_each_layer():
    kernels = {"a": kernel("a", [0, 1, 2]), "b": kernel("b", [3, 4, 5])}
    stats = [layer("a"), layer("b", 100 * KERNEL)]
    found = score_groups(IMPORTANCES["l1"], stats, kernels, 6)
    np.testing.assert_allclose(found, [7 / 4, 2 / 4, 3 / 4] * 2)


def test_layers_of_zeros_are_worth_nothing():
    kernels = {"a": kernel("a", [0, 1, 2])}
    stats = [layer("a", 0 * KERNEL)]
    assert score_groups(IMPORTANCES["l1"], stats, kernels, 3).tolist() == [0, 0, 0]


def test_a_layer_without_an_opinion_leaves_it_to_the_others():
    kernels = {"a": kernel("a", [0, 1, 2]), "b": kernel("b", [0, 1, 2])}
    stats = [layer("a"), layer("b", gamma=np.array([1.0, 2, 3]))]
    found = score_groups(IMPORTANCES["bn"], stats, kernels, 3)
    np.testing.assert_allclose(found, [0.5, 1, 1.5])


def test_a_function_of_the_users_must_give_a_number_a_channel():
    kernels = {"a": kernel("a", [0, 1, 2])}
    found = score_groups(lambda s: s.kernel[0], [layer()], kernels, 3, normalize=False)
    assert found.tolist() == [3, 0, 1]
    with pytest.raises(InvalidArgumentError, match=r"shape \(\) for layer 'a'; .*\(3,"):
        score_groups(lambda s: 1.0, [layer()], kernels, 3)
    with pytest.raises(InvalidArgumentError, match="gave <U1 of shape"):
        score_groups(lambda s: ["a", "b", "c"], [layer()], kernels, 3)
    with pytest.raises(ModelError, match="layer 'a' is infinite"):
        score_groups(lambda s: s.kernel[0] / 0, [layer()], kernels, 3)
