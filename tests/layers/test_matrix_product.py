import numpy as np
import pytest

from tfcompress.layers.matrix_product import MatrixProduct


@pytest.mark.parametrize("transpose_b", [False, True])
def test_matrices_are_multiplied_behind_all_other_axes(transpose_b):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 3, 4, 5)), random.normal(size=(2, 3, 5, 6))
    given = b.swapaxes(2, 3) if transpose_b else b
    layer = MatrixProduct.from_config(MatrixProduct(transpose_b).get_config())
    made = layer([a.astype("float32"), given.astype("float32")])
    np.testing.assert_allclose(made, a @ b, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape([a.shape, given.shape]) == made.shape
