import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.layers.attention_heads import AttentionHeads


def sequences(*shapes):
    random = np.random.default_rng(0)
    return [random.normal(size=(2, *shape)).astype("float32") for shape in shapes]


@pytest.mark.parametrize("shapes", [[(4, 6), (5, 3)], [(4, 6), (5, 3), (5, 2)]])
@pytest.mark.parametrize("settings", [{}, {"value_dim": 5, "output_shape": 7}])
def test_it_computes_what_keras_does_of_several_tensors(shapes, settings):
    given = sequences(*shapes)
    theirs = keras.layers.MultiHeadAttention(2, 3, **settings)
    expected = theirs(*given)
    ours = AttentionHeads(2, 3, **settings)
    ours.build([array.shape for array in given])
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(given), expected, atol=1e-6)
    shape = ours.compute_output_shape([array.shape for array in given])
    assert shape == expected.shape


@pytest.mark.parametrize(
    ("settings", "shape", "told"),
    [
        ({}, (4, 4, 6), "attends along other axes"),
        ({"attention_axes": (2,)}, (4, 6), "attends along other axes"),
        ({"kernel_constraint": "unit_norm"}, (4, 6), "constrains its weights"),
        ({"output_shape": (2, 3)}, (4, 6), "has several output axes"),
    ],
)
def test_what_no_plain_layers_do_is_refused(settings, shape, told):
    layer = AttentionHeads(2, 3, name="heads", **settings)
    with pytest.raises(ModelError, match=f"layer heads {told}"):
        layer.build([(None, *shape)] * 2)
