"""Models with weights that matter, and the comparison every rewrite is tested by."""

import numpy as np
import pytest

from tfcompress.rewriting.graph import Graph


@pytest.fixture
def randomize():
    """Sets all weights at random; variances and scales are positive."""

    def apply(model, seed=0):
        random = np.random.default_rng(seed)
        values = []
        for weight in model.weights:
            positive = any(word in weight.name for word in ("variance", "gamma"))
            low, high = (0.5, 2.0) if positive else (-0.6, 0.6)
            value = random.uniform(low, high, weight.shape)
            values.append(value if weight.dtype.is_floating else weight.numpy())
        model.set_weights(values)

    return apply


@pytest.fixture
def rewritten(randomize):
    """Applies rewrites to a model and checks that all it puts out stays equal.

    Returns the model that comes out, and the changes.
    """

    def apply(model, *rewrites, images=None, tolerance=1e-5):
        if images is None:
            randomize(model)
            images = images_for(model)
        expected = as_list(model(images, training=False))
        before = model.get_weights()
        graph = Graph.from_model(model)
        changes = [change for rewrite in rewrites for change in rewrite(graph)]
        result = graph.to_model()
        # Without it random augmentation goes on in tf_keras.
        actual = as_list(result(images, training=False))
        for one, two in zip(expected, actual, strict=True):
            one, two = one.numpy(), two.numpy()
            assert one.std(axis=0).max() > 1e-3, "nothing depends on the input"
            limit = tolerance * np.abs(one).max()
            np.testing.assert_allclose(two, one, atol=limit, rtol=0)
        for value, weight in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(value, weight)
        return result, changes

    return apply


def images_for(model, seed=1):
    random = np.random.default_rng(seed)
    images = [
        random.uniform(-4, 4, (4, *(size or 6 for size in tensor.shape[1:])))
        for tensor in model.inputs
    ]
    images = [image.astype(np.float32) for image in images]
    return images if len(images) > 1 else images[0]


def as_list(value):
    return value if isinstance(value, list) else [value]
