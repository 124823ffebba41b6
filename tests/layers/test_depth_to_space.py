import numpy as np
import pytest

from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth


def test_channels_become_a_square_row_by_row():
    pixel = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
    square = DepthToSpace(2)(pixel)
    np.testing.assert_array_equal(square[0, :, :, 0], [[0, 2], [4, 6]])
    np.testing.assert_array_equal(square[0, :, :, 1], [[1, 3], [5, 7]])


def test_one_is_the_inverse_of_the_other():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(DepthToSpace(2)(SpaceToDepth(2)(x)), x)


def test_unknown_sides_stay_unknown():
    shape = (None, None, 4, 12)
    assert DepthToSpace(2).compute_output_shape(shape) == (None, None, 8, 3)
    assert SpaceToDepth(2).compute_output_shape(shape) == (None, None, 2, 48)


@pytest.mark.parametrize("block_size", [1, 0, -2, "2", 2.0])
def test_a_block_of_no_square_is_refused(block_size):
    with pytest.raises(ValueError, match="expected an integer from 2 on"):
        DepthToSpace(block_size)
