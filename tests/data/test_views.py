import numpy as np
import tensorflow as tf

from tfcompress.data.views import Views


def test_reads_rows_of_a_view_from_disk(tmp_path):
    for view in range(2):
        np.save(tmp_path / f"{view}.npy", np.arange(12.0).reshape(4, 3) + 100 * view)
    values = [np.load(tmp_path / f"{view}.npy", mmap_mode="r") for view in range(2)]
    views = Views(0, tuple(values))

    @tf.function
    def read(view, indices):
        return views.read(view, indices)

    rows = read(tf.constant(1, tf.int64), tf.constant([3, 0]))
    np.testing.assert_array_equal(rows, [[109, 110, 111], [100, 101, 102]])
    graph = read.get_concrete_function(
        tf.TensorSpec([], tf.int64), tf.TensorSpec([None], tf.int32)
    )
    assert graph.output_shapes.as_list() == [None, 3]
