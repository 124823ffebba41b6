import numpy as np
import tensorflow as tf

from tfcompress.quantization.shared_gradient import share


def test_weights_that_follow_one_have_its_value_and_the_mean_of_all_gradients():
    kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    # The last two follow the first; the second stands alone.
    leaders = tf.constant([[0, 1], [0, 0]])
    with tf.GradientTape() as tape:
        shared = share(kernel, leaders)
        loss = tf.reduce_sum(shared * [[1.0, 10.0], [3.0, 8.0]])
    np.testing.assert_array_equal(shared, [[1.0, 2.0], [1.0, 1.0]])
    # (1 + 3 + 8) / 3 = 4 for the three, 10 for the other.
    np.testing.assert_array_equal(
        tape.gradient(loss, kernel), [[4.0, 10.0], [4.0, 4.0]]
    )
