import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfcompress as tfc
from tfcompress.training.kernel_scalars import kernel_scalars

PRUNED = ("stem_conv", "block_project", "logits")


def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def logged(tmp_path, stage):
    """Returns the scalars of kernels that a stage wrote, by tag: one an epoch."""
    folder = tmp_path / "tensorboard" / stage
    events = EventAccumulator(str(folder)).Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        if tag.startswith(("sparsity/", "clusters/")):
            values = events.Tensors(tag)
            assert [event.step for event in values] == [
                1 + i for i in range(len(values))
            ]
            found[tag] = [float(tf.make_ndarray(e.tensor_proto)) for e in values]
    return found


def kernel(model, name):
    return model.get_layer(name).get_weights()[0]


def test_sparsity_rises_while_a_distilled_model_is_pruned(tmp_path):
    stage = tfc.Pruning(
        final_sparsity=0.5,
        end_fraction=1.0,
        frequency=1,
        epochs=2,
        batch_size=13,  # of 65 images to train on: 5 steps an epoch
        objective=tfc.Distillation(tiny.model(seed=1)),
    )
    pruned = stage(tiny.model(), run(tmp_path))
    # Half-way the schedule is at 0.5 - 0.5 * 0.5 ** 3 = 0.4375, at its end at 0.5. Of
    # 72, 64 and 24 weights 40.5, 36 and 13.5 stay, which round to even.
    assert logged(tmp_path, "Pruning") == {
        "sparsity/stem_conv": pytest.approx([32 / 72, 0.5]),
        "sparsity/block_project": pytest.approx([28 / 64, 0.5]),
        "sparsity/logits": pytest.approx([10 / 24, 0.5]),
    }
    for name in PRUNED:
        assert np.mean(kernel(pruned, name) == 0) == 0.5


def test_clusters_and_the_zeros_that_clustering_keeps(tmp_path):
    pruning = tfc.Pruning(epochs=0, layers=("stem_conv",))
    pruned = pruning(tiny.model(), run(tmp_path))
    expected = {"sparsity/stem_conv": []}
    for epochs in (1, 2):
        folder = tmp_path / str(epochs)
        stage = tfc.Clustering(num_clusters=5, epochs=epochs, batch_size=12)
        clustered = stage(pruned, run(folder))
        zeros = np.mean(kernel(clustered, "stem_conv") == 0)
        expected["sparsity/stem_conv"].append(pytest.approx(zeros))
        for name in PRUNED:
            num_values = np.unique(kernel(clustered, name)).size
            expected.setdefault(f"clusters/{name}", []).append(num_values)
    assert logged(folder, "Clustering") == expected


def test_where_each_channel_has_values_of_its_own_they_are_counted_by_channel():
    stage = tfc.Clustering(num_clusters=3, per_channel=True)
    wrapped = stage._wrap(tiny.model(), list(PRUNED))
    centroids = wrapped.get_layer("cluster_stem_conv").cluster_centroids["kernel"]
    assert np.unique(centroids).size > 3
    # Dense layers are clustered as a whole.
    assert kernel_scalars(wrapped) == {f"clusters/{name}": 3 for name in PRUNED}


def test_what_quantization_aware_training_keeps_is_counted_as_it_is_rounded(tmp_path):
    pruned = tfc.Pruning(epochs=0, layers=("stem_conv",))(tiny.model(), run(tmp_path))
    stem = kernel(pruned, "stem_conv")
    stem[tuple(np.argwhere(stem)[0])] = 1e-4
    pruned.get_layer("stem_conv").set_weights([stem])
    clustering = tfc.Clustering(num_clusters=5, epochs=0, layers=("logits",))
    stage = tfc.QuantizationAware(epochs=1, batch_size=12, learning_rate=1e-6)
    quantized = stage(clustering(pruned, run(tmp_path)), run(tmp_path))
    weights = quantized.get_layer("quant_logits").trainable_weights
    (values,) = (w.numpy() for w in weights if "/kernel" in w.name)
    integers = np.rint(values / (np.abs(values).max() / 127))
    # Half of 72 weights were pruned; one is too small for a step of its channel.
    assert logged(tmp_path, "QuantizationAware") == {
        "sparsity/stem_conv": [pytest.approx(37 / 72)],
        "clusters/logits": [np.unique(integers).size],
    }


def test_a_layer_that_is_neither_pruned_nor_clustered_has_none():
    assert kernel_scalars(tiny.model()) == {}


def test_zeros_of_all_kernels_of_a_layer_count():
    layer = keras.layers.LSTM(5, name="lstm")
    model = keras.Sequential([keras.Input((6, 4)), layer])
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model)
    masks = [mask for _, mask, _ in wrapped.layers[-1].pruning_vars]
    # Four gates of 5 units, over 4 inputs and 5 states.
    assert [tuple(mask.shape) for mask in masks] == [(4, 20), (5, 20)]
    for mask in masks:
        kept = np.zeros(mask.shape)
        kept[0] = 1
        mask.assign(kept)
    wrapped.layers[-1].layer.set_weights(
        [np.ones((4, 20)), np.ones((5, 20)), np.zeros(20)]
    )
    # Of 80 and of 100 weights 20 stay.
    assert kernel_scalars(wrapped) == {"sparsity/lstm": pytest.approx(140 / 180)}
