import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.training.distillation import (
    CorrelationCongruence,
    FlowDistillation,
    RelationalDistillation,
    SimilarityPreserving,
)
from tfcompress.training.distillation.relation import (
    correlations,
    flow,
    pairwise_distances,
    similarities,
    triplet_angles,
)

# A right angle at the first example: sides 3, 4 and 5.
TRIANGLE = np.array([[1.0, 1.0], [4.0, 1.0], [1.0, 5.0]], np.float32)
EQUILATERAL = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 3**0.5]], np.float32)
LOSSES = [
    RelationalDistillation("s", "t"),
    RelationalDistillation("s", "t", "angle"),
    SimilarityPreserving("s", "t"),
    CorrelationCongruence("s", "t"),
]


def value(loss, teacher, student):
    return float(loss({"t": tf.constant(teacher)}, {"s": tf.constant(student)}, None))


def features(seed=0):
    return np.random.default_rng(seed).normal(size=(4, 2, 2, 3)).astype(np.float32)


def huber(x):
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


def test_distances_by_hand():
    sides = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]])
    np.testing.assert_allclose(pairwise_distances(TRIANGLE), sides / 4, rtol=1e-5)


def test_distance_loss_by_hand():
    # Equal sides against 3/4, 1 and 5/4 of the mean: twice each, of 9 pairs.
    expected = 2 * (0.25**2 / 2 + 0 + 0.25**2 / 2) / 9
    loss = value(LOSSES[0], TRIANGLE, 10 * EQUILATERAL)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_angles_by_hand():
    angles = triplet_angles(TRIANGLE).numpy()
    assert angles[1, 0, 2] == pytest.approx(0, abs=1e-6)
    assert angles[0, 1, 2] == angles[2, 1, 0] == pytest.approx(3 / 5)
    assert angles[0, 2, 1] == pytest.approx(4 / 5)
    for i, j in itertools.product(range(3), repeat=2):
        # At a place itself there is no angle; to one place twice it is 0.
        assert angles[i, i, j] == angles[j, i, i] == 0
        assert i == j or angles[i, j, i] == pytest.approx(1, rel=1e-5)


def test_angle_loss_by_hand():
    # Cosines of 1/2 against 0, 3/5 and 4/5: twice each, of 27 triplets.
    expected = 2 * (0.5**2 + 0.1**2 + 0.3**2) / 2 / 27
    loss = value(LOSSES[1], TRIANGLE, EQUILATERAL)
    assert loss == pytest.approx(expected, rel=1e-4)


def test_angles_of_maps_by_loops():
    x = features().reshape(4, 12).astype(np.float64)
    expected = np.zeros((4, 4, 4))
    for i, j, k in itertools.product(range(4), repeat=3):
        if j not in (i, k):
            a, b = x[i] - x[j], x[k] - x[j]
            expected[i, j, k] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(triplet_angles(features()), expected, atol=1e-5)


def test_huber_is_linear_for_large_differences():
    # Six points at one place and one far away: few distances, each far above the mean
    # of a spread of seven; worked out from the distances themselves.
    line = np.arange(7, dtype=np.float32)[:, None]
    near = np.array([0, 0, 0, 0, 0, 0, 9], np.float32)[:, None]
    near_distances = (near != near.T).astype(float)
    line_distances = np.abs(line - line.T)
    line_distances /= line_distances.sum() / 42
    differences = line_distances - near_distances
    assert np.abs(differences).max() > 1
    loss = value(LOSSES[0], line, near)
    assert loss == pytest.approx(huber(differences).mean(), rel=1e-4)


def test_similarities_by_hand():
    # Products (1, 1; 1, 2), rows scaled to length 1.
    rows = similarities(np.array([[1.0, 0.0], [1.0, 1.0]], np.float32))
    expected = [[2**-0.5, 2**-0.5], [5**-0.5, 2 * 5**-0.5]]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    # Against unrelated images, whose similarities are (1, 0; 0, 1).
    student = np.eye(2, dtype=np.float32)
    loss = value(LOSSES[2], np.array([[1.0, 0.0], [1.0, 1.0]], np.float32), student)
    assert loss == pytest.approx(np.square(np.array(expected) - student).mean())


def test_correlations_by_hand():
    # At 45 degrees the product of directions is sqrt 1/2.
    found = correlations(np.array([[3.0, 0.0], [2.0, 2.0]], np.float32), 0.5, order=2)
    off = math.exp(-1) * (1 + 0.5**0.5 + 0.5 / 2)
    own = math.exp(-1) * (1 + 1 + 1 / 2)
    np.testing.assert_allclose(found, [[own, off], [off, own]], rtol=1e-5)


def test_correlations_approach_the_kernel():
    x = features().reshape(4, 12)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    squares = np.square(x[:, None] - x[None]).sum(-1)
    found = correlations(features(), 0.4, order=8)
    np.testing.assert_allclose(found, np.exp(-0.4 * squares), rtol=1e-5)


def test_congruence_is_the_mean_square_of_the_differences():
    teacher, student = features(), features(1)
    differences = correlations(teacher, 0.4, 2) - correlations(student, 0.4, 2)
    expected = np.square(differences).mean()
    assert value(LOSSES[3], teacher, student) == pytest.approx(expected, rel=1e-5)


def test_flow_by_hand():
    first = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])
    second = tf.constant([[[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]]])
    # (1, 2) x (1, 0, 1) + (3, 4) x (0, 1, 1), over two places.
    expected = [[[0.5, 1.5, 2.0], [1.0, 2.0, 3.0]]]
    np.testing.assert_allclose(flow(first, second), expected)
    loss = FlowDistillation(("a", "b"), ("c", "d"))
    student, teacher = {"a": 0 * first, "b": second}, {"c": first, "d": second}
    found = float(loss(teacher, student, None))
    assert found == pytest.approx(np.square(expected).mean(), rel=1e-5)


def test_flow_takes_the_size_of_the_second():
    first = tf.constant([[[[1.0], [3.0]], [[1.0], [3.0]]]])
    second = tf.constant([[[[5.0]]]])
    np.testing.assert_allclose(flow(first, second), [[[10.0]]])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_zero_for_what_is_like_the_teacher_and_else_above(loss):
    x = features().reshape(4, 12)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))
    like = (2.0 * x @ rotation).astype(np.float32)
    assert value(loss, features(), like) == pytest.approx(0, abs=1e-8)
    assert value(loss, features(), features(1)) > 1e-4


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("dead", [2, 4])
def test_gradients_stay_finite_where_images_are_alike(loss, dead):
    ours = features(1)
    ours[:dead] = 0
    student = tf.Variable(ours)
    with tf.GradientTape() as tape:
        result = loss({"t": tf.constant(features())}, {"s": student}, None)
    assert np.isfinite(result)
    assert np.isfinite(tape.gradient(result, student)).all()


def test_flow_wants_equal_channels():
    loss = FlowDistillation(("a", "b"), ("c", "d"))
    ours = {"a": (None, 8, 8, 4), "b": (None, 4, 4, 8)}
    assert loss.reconcile(ours, {"c": (None, 9, 9, 4), "d": (None, 3, 3, 8)}) == {}
    for second in ((None, 4, 4, 16), (None, 8)):
        with pytest.raises(ModelError, match=r"FlowDistillation cannot .* channels"):
            loss.reconcile(ours, {"c": (None, 8, 8, 4), "d": second})


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: RelationalDistillation("a", "b", "area"), "relation"),
        (lambda: CorrelationCongruence("a", "b", gamma=0.0), "gamma"),
        (lambda: CorrelationCongruence("a", "b", order=0), "order"),
        (lambda: FlowDistillation(("a",), ("b", "c")), "student_layers"),
        (lambda: SimilarityPreserving(1, "b"), "student_layer"),
    ],
)
def test_refuses_values_out_of_range(make, name):
    with pytest.raises(InvalidArgumentError, match=name):
        make()
