import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.stages import check_order

SUITED = ("stem_conv", "block_project", "logits")


def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def kernel(model, name):
    return model.get_layer(name).get_weights()[0]


def num_values(model, name):
    return np.unique(kernel(model, name)).size


@pytest.mark.parametrize("epochs", [0, 1])
def test_kernels_share_as_many_values_as_asked(tmp_path, epochs):
    context = run(tmp_path)
    stage = tfc.Clustering(num_clusters=5, epochs=epochs, batch_size=12)
    clustered = stage(tiny.model(), context)
    assert [num_values(clustered, name) for name in SUITED] == [5, 5, 5]
    assert num_values(clustered, "block_depthwise") == 72
    assert context.facts == {
        "num_clusters": 5,
        "layers": dict.fromkeys(SUITED, 5),
        "skipped": {
            "block_depthwise": "depthwise kernels are clustered with depthwise=True"
        },
    }


@pytest.mark.parametrize(
    "initialization", ["kmeans_plus_plus", "density_based", "linear", "random"]
)
def test_each_initialization(tmp_path, initialization):
    stage = tfc.Clustering(num_clusters=4, epochs=0, initialization=initialization)
    clustered = stage(tiny.model(), run(tmp_path))
    assert 2 <= num_values(clustered, "stem_conv") <= 4


def test_once_without_training_each_weight_takes_the_nearest_value(tmp_path):
    model = tiny.model()
    stage = tfc.Clustering(num_clusters=4, epochs=0, initialization="linear")
    clustered = stage(model, run(tmp_path))
    old, new = kernel(model, "logits"), kernel(clustered, "logits")
    values = np.linspace(old.min(), old.max(), 4)
    expected = values[np.abs(old[..., None] - values).argmin(axis=-1)]
    np.testing.assert_allclose(new, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        kernel(clustered, "block_depthwise"), kernel(model, "block_depthwise")
    )


@pytest.mark.parametrize("epochs", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_channel_has_values_of_its_own(tmp_path, epochs):
    stage = tfc.Clustering(
        num_clusters=3, per_channel=True, epochs=epochs, batch_size=12
    )
    clustered = stage(tiny.model(), run(tmp_path))
    for name in ("stem_conv", "block_project"):
        columns = kernel(clustered, name).reshape(-1, 8)
        assert max(np.unique(column).size for column in columns.T) == 3
        assert np.unique(columns).size > 3
    # TF-MOT clusters dense layers as a whole.
    assert num_values(clustered, "logits") == 3


def test_a_channel_of_few_weights_shares_those_of_the_layer(tmp_path):
    # The stem has 9 weights a channel, 4 or 5 of them once half are zero.
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(tiny.model(), context)
    stage = tfc.Clustering(num_clusters=8, per_channel=True, epochs=0)
    clustered = stage(pruned, context)
    assert num_values(clustered, "stem_conv") <= 8


@pytest.mark.parametrize("epochs", [0, 1])
def test_zeros_stay_and_are_one_of_the_values(tmp_path, epochs):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.75, epochs=0)(tiny.model(), context)
    stage = tfc.Clustering(
        num_clusters=4, epochs=epochs, batch_size=12, learning_rate=0.01
    )
    clustered = stage(pruned, context)
    for name in SUITED:
        assert np.all(kernel(clustered, name)[kernel(pruned, name) == 0] == 0), name
        assert num_values(clustered, name) <= 4


def test_zeros_may_be_given_up(tmp_path):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.25, epochs=0)(tiny.model(), context)
    stage = tfc.Clustering(
        num_clusters=2, epochs=0, preserve_sparsity=False, initialization="linear"
    )
    assert np.all(kernel(stage(pruned, context), "stem_conv") != 0)


def test_signs_of_a_kernel_are_turned_with_its_norm(tmp_path):
    model = tiny.model()
    model.get_layer("stem_norm").gamma.assign([1, -1] * 4)
    stage = tfc.Clustering(num_clusters=5, epochs=1, batch_size=12, learning_rate=0.1)
    clustered = stage(model, run(tmp_path))
    assert np.all(clustered.get_layer("stem_norm").gamma.numpy() >= 0)


def test_depthwise_and_grouped_kernels(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(8, 3, name="stem")(image)
    x = GroupedConv2D(8, 3, groups=2, name="grouped")(x)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    stage = tfc.Clustering(num_clusters=7, depthwise=True, epochs=0)
    clustered = stage(model, run(tmp_path))
    names = ("stem", "grouped", "depthwise", "logits")
    assert [num_values(clustered, name) for name in names] == [7] * 4
    assert type(clustered.get_layer("grouped")) is GroupedConv2D


def test_a_kernel_that_int8_scales_by_channel_is_left_out_by_name(tmp_path):
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Flatten()(image)
    # At first this norm multiplies all by one number; training changes that.
    x = keras.layers.Dense(6, name="hidden")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    context = run(tmp_path)
    clustered = tfc.Clustering(num_clusters=4, epochs=0)(model, context)
    assert "folds" in context.facts["skipped"]["hidden"]
    assert list(context.facts["layers"]) == ["logits"]
    assert num_values(clustered, "hidden") == 64 * 6


def test_small_kernels_are_left_as_they_are(tmp_path):
    context = run(tmp_path)
    tfc.Clustering(num_clusters=24, epochs=0)(tiny.model(), context)
    # 8 x 3 weights.
    assert "no more weights" in context.facts["skipped"]["logits"]


def test_nothing_to_cluster_is_refused(tmp_path):
    stage = tfc.Clustering(num_clusters=100, epochs=0)
    with pytest.raises(InvalidArgumentError, match=r"no layer.*no more weights"):
        stage(tiny.model(), run(tmp_path))
    with pytest.raises(InvalidArgumentError, match=r"no layer .* called 'odd'"):
        tfc.Clustering(layers=("odd",)).check(tiny.model())


def test_zeros_of_layers_that_are_left_out_are_not_lost_unseen(tmp_path):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(tiny.model(), context)
    stage = tfc.Clustering(num_clusters=4, epochs=1, exclude=("logits",))
    with pytest.raises(InvalidArgumentError, match="'logits' has zeros"):
        stage(pruned, context)


@pytest.mark.parametrize("num_clusters", [1, 256, 2.5, True])
def test_impossible_numbers_are_refused(num_clusters):
    with pytest.raises(InvalidArgumentError, match="Clustering num_clusters="):
        tfc.Clustering(num_clusters=num_clusters)
    with pytest.raises(InvalidArgumentError, match="initialization="):
        tfc.Clustering(initialization="kmeans")


def test_what_would_undo_clusters_may_not_follow():
    for later in (tfc.Training(), tfc.Pruning(), tfc.ChannelPruning()):
        with pytest.raises(RecipeError, match="would undo the clusters"):
            check_order([tfc.Clustering(), later])
    check_order([tfc.Pruning(), tfc.Clustering(), tfc.QuantizationAware()])


@pytest.mark.slow
def test_distilled_after_channel_pruning_to_a_file_that_keeps_all(tmp_path):
    context = run(tmp_path)
    teacher = tiny.model(seed=1)
    how = {"batch_size": 12, "objective": tfc.Distillation(teacher)}
    model = tiny.model()
    model.get_layer("stem_norm").gamma.assign([1, -1] * 4)
    stages = (
        tfc.ChannelPruning(
            target={"params": 0.7}, epochs=1, round_to=1, min_channels=2, **how
        ),
        tfc.Pruning(final_sparsity=0.5, epochs=1, schedule="constant", **how),
        tfc.Clustering(num_clusters=5, epochs=1, **how),
        tfc.QuantizationAware(epochs=2, learning_rate=1e-2, optimizer="adamw", **how),
    )
    check_order(stages)
    for stage in stages:
        model = stage(model, context)
    artifact = tfc.export_tflite(model, tmp_path / "model.tflite")
    kernels = {kernel.layer: kernel.counts for kernel in artifact.audit.kernels}
    for name in SUITED:
        counts = kernels[name]
        assert counts.num_values <= 5, name
        assert counts.num_zeros >= (counts.num_weights - 1) // 2, name


def test_a_clustered_model_keeps_its_values_without_qat(tmp_path):
    context = run(tmp_path)
    clustered = tfc.Clustering(num_clusters=6, epochs=0)(tiny.model(), context)
    path = tmp_path / "model.tflite"
    audit = tfc.export_tflite(clustered, path, context.data).audit
    found = {kernel.layer: kernel.counts.num_values for kernel in audit.kernels}
    assert all(found[name] <= 6 for name in SUITED)
    image = tf.constant(tiny.arrays()[0][:4] / 255, tf.float32)
    assert clustered(image).shape == (4, 3)
