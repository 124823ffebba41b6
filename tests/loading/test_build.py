import keras as keras_3
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.loading.build import at_most, check_activations
from tfcompress.rewriting.graph import Graph


def graph_of(*layers, shape=(8, 8, 3)):
    graph = Graph("test")
    graph.nodes.append(node := graph.add(keras.layers.InputLayer(shape), []))
    graph.nodes = [node]
    for layer in layers:
        node = graph.add(layer, node.output)
    return graph


def test_the_budget_counts_weights_and_outputs_of_all_layers():
    graph = graph_of(keras.layers.Conv2D(5, 3), keras.layers.Flatten())
    # The image, the convolution's 6x6x5 and as many again; 4 bytes each.
    needed = 4 * (8 * 8 * 3 + 2 * 6 * 6 * 5 + 1000)
    check_activations(graph, 1000, needed)
    with pytest.raises(ModelError, match=r"at layer flatten.* max_bytes= .*--max"):
        check_activations(graph, 1000, needed - 1)


def test_open_sizes_count_as_64_pixels():
    graph = graph_of(shape=(None, None, 3))
    check_activations(graph, 0, 4 * 64 * 64 * 3)
    with pytest.raises(ModelError, match="max_bytes"):
        check_activations(graph, 0, 4 * 64 * 64 * 3 - 1)


def test_a_file_that_needs_more_than_the_budget_is_refused(
    saved, edit, layer_of, refused
):
    change = {"filters": 10**9}
    edit(saved, lambda config: layer_of(config, "conv")["config"].update(change))
    # 6x6 outputs of 4 bytes for each filter.
    refused(saved, "at layer conv it needs 134 GiB for one image, more than 8 GiB")


def test_a_variable_is_refused_before_it_is_made():
    made = []
    with at_most(20_000), pytest.raises(ModelError, match="more weights than"):
        made.append(tf.Variable(tf.zeros(20_000), shape=(20_000,)))
        made.append(keras.layers.Dense(10**12).build((None, 10**6)))
    assert len(made) == 1


def test_variables_of_keras_3_are_counted_too():
    with at_most(20_000), pytest.raises(ModelError, match="more weights than"):
        keras_3.layers.Dense(10**12).build((None, 10**6))


def test_weights_start_as_zeros_whatever_would_make_them():
    layer = keras.layers.Dense(3, kernel_initializer="orthogonal")
    with at_most(100):
        layer.build((None, 3))
    assert not layer.kernel.numpy().any()
