import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.channels.statistics import reestimate_batch_normalization
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.residual_blocks import find_residual_blocks, take_out
from tfcompress.stages.layer_pruning import feature_changes, loss_without

layers = keras.layers
BLOCKS = ("a", "b", "c")


def residual(seed=0, scales=(0.1, 2.0, 0.02)):
    """Three blocks of which each adds as much as its BatchNorm's gamma says."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="stem")(image)
    for name, scale in zip(BLOCKS, scales, strict=True):
        y = layers.Conv2D(4, 3, padding="same", name=f"{name}_conv")(x)
        y = layers.BatchNormalization(
            gamma_initializer=keras.initializers.Constant(scale), name=f"{name}_norm"
        )(y)
        x = layers.Add(name=f"{name}_add")([x, y])
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="residual")


# A 3x3 convolution of 4 to 4 channels at 8x8 places; the others are the stem, of one
# input channel, and the classifier.
BLOCK_MACS = 64 * 9 * 4 * 4
ALL_MACS = 3 * BLOCK_MACS + 64 * 9 * 4 + 4 * 3
IMAGES = (tiny.arrays()[0] / 255).astype("float32")
LABELS = tiny.arrays()[1]


def run_in(folder, **options):
    return tfc.Run(data=tiny.data(), workdir=folder, seed=1, **options)


def without(model, *names):
    graph = Graph.from_model(model)
    for name in names:
        (block,) = [b for b in find_residual_blocks(graph) if b.name == name]
        take_out(graph, block)
    return graph.to_model()


def test_change_is_what_a_block_adds_over_what_it_is_given():
    model = residual()
    graph = Graph.from_model(model)
    blocks = find_residual_blocks(graph)
    # More than one batch of 128.
    images = np.concatenate([IMAGES, IMAGES * 0.5, IMAGES**2])
    found = feature_changes(graph, blocks, images)
    before = "stem"
    for name in BLOCKS:
        skip, branch = (
            keras.Model(model.input, model.get_layer(layer).output)(images).numpy()
            for layer in (before, f"{name}_norm")
        )
        lengths = [np.sqrt((x**2).sum((1, 2, 3))) for x in (branch, skip)]
        expected = np.mean(lengths[0] / lengths[1])
        assert found[f"{name}_add"] == pytest.approx(expected, rel=1e-4)
        before = f"{name}_add"
    assert found["c_add"] < found["a_add"] < found["b_add"]


@pytest.mark.parametrize(
    "names", [(), ("a_add",), ("b_add",), ("c_add", "a_add"), ("a_add", "b_add")]
)
def test_loss_without_blocks_is_that_of_the_smaller_model(names):
    model = residual()
    graph = Graph.from_model(model)
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS.astype("int32")))
    batches = list(data.batch(50))
    loss = loss_without(graph, find_residual_blocks(graph), batches)
    logits = without(model, *names)(IMAGES)
    expected = keras.losses.sparse_categorical_crossentropy(
        LABELS, logits, from_logits=True
    )
    assert loss(names) == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_result_equals_the_model_in_which_the_branches_are_zero(tmp_path):
    model = residual()
    run = run_in(tmp_path)
    stage = tfc.LayerPruning(num_blocks=2, importance="feature_change", epochs=0)
    smaller = stage(model, run)
    assert list(run.facts["dropped"]) == ["c_add", "a_add"]
    zeroed = residual(scales=(0.0, 2.0, 0.0))
    zeroed.get_layer("stem").set_weights(model.get_layer("stem").get_weights())
    reestimate_batch_normalization(zeroed, run.data.calibration(512).images)
    np.testing.assert_allclose(smaller(IMAGES), zeroed(IMAGES), atol=1e-5)
    left = {"macs": ALL_MACS - 2 * BLOCK_MACS, "params": 4 * 10 + 15 + 4 * 36 + 4 * 5}
    whole = {"macs": ALL_MACS, "params": left["params"] + 2 * (4 * 36 + 4 * 5)}
    for kind, reached in run.facts["reached"].items():
        assert reached == pytest.approx(left[kind] / whole[kind])
        totals = tfc.profile(smaller).totals
        assert getattr(totals, kind) == left[kind]


def test_block_whose_loss_hurts_least_goes_first(tmp_path):
    run = run_in(tmp_path)
    model = tfc.Training(epochs=8, batch_size=12, learning_rate=0.01)(residual(), run)
    run.facts.clear()
    tfc.LayerPruning(num_blocks=2, epochs=0)(model, run)

    def loss(*names):
        logits = without(model, *names).predict(
            run.data.batches("validation"), verbose=0
        )
        labels = run.data.validation.labels
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
        return float(np.mean(losses))

    left, expected = {f"{name}_add" for name in BLOCKS}, {}
    for _ in range(2):
        losses = {name: loss(*expected, name) for name in left}
        name = min(losses, key=losses.__getitem__)
        expected[name] = losses[name]
        left.remove(name)
    assert list(run.facts["dropped"]) == list(expected)
    assert run.facts["dropped"] == pytest.approx(expected, rel=1e-4)


def test_target_is_reached_with_no_more_blocks_than_it_takes(tmp_path):
    # One block less leaves 0.69 of the multiply-accumulates, two 0.39.
    assert (ALL_MACS - 2 * BLOCK_MACS) / ALL_MACS < 0.6 < 1 - BLOCK_MACS / ALL_MACS
    for fraction, number in ((0.7, 1), (0.6, 2)):
        run = run_in(tmp_path)
        stage = tfc.LayerPruning(
            target={"macs": fraction}, importance="feature_change", epochs=0
        )
        stage(residual(), run)
        assert len(run.facts["dropped"]) == number


def test_ignored_layer_keeps_its_block(tmp_path):
    run = run_in(tmp_path)
    tfc.LayerPruning(
        num_blocks=1, importance="feature_change", ignore=("c_conv",), epochs=0
    )(residual(), run)
    assert list(run.facts["dropped"]) == ["a_add"]


def test_what_is_left_is_trained(tmp_path):
    model = residual()
    options = {"num_blocks": 1, "importance": "feature_change", "batch_size": 12}
    once = tfc.LayerPruning(epochs=0, **options)(model, run_in(tmp_path / "a"))
    run = run_in(tmp_path / "b")
    trained = tfc.LayerPruning(epochs=6, learning_rate=0.02, **options)(model, run)
    before, after = (tfc.evaluate(m, run.data).top1 for m in (once, trained))
    assert after > before + 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "given, or else a target"),
        ({"num_blocks": 1, "target": {"macs": 0.5}}, "not both"),
        ({"num_blocks": 0}, "a whole number"),
        ({"num_blocks": True}, "a whole number"),
        ({"num_blocks": 1, "num_images": 0}, "a whole number"),
        ({"target": {}}, "the fraction in"),
        ({"target": {"macs": 1.0}}, "the fraction in"),
        ({"target": {"latency": 0.5}}, "the fraction in"),
        ({"target": {"macs": 0.5, "params": 0.5}}, "the fraction in"),
        ({"num_blocks": 1, "importance": "l2"}, "'feature_change'"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tfc.LayerPruning(**options)


def test_what_does_not_fit_the_model_is_refused(tmp_path):
    model = residual()
    for stage, error, message in (
        (tfc.LayerPruning(num_blocks=4), ModelError, "has 3 residual blocks"),
        (
            tfc.LayerPruning(num_blocks=1, ignore=("a_*", "b_*", "c_*")),
            ModelError,
            "has 0 residual blocks",
        ),
        (
            tfc.LayerPruning(num_blocks=1, ignore=("d_*",)),
            InvalidArgumentError,
            "no layer .* 'd_",
        ),
        (
            tfc.LayerPruning(target={"macs": 0.05}, importance="feature_change"),
            ModelError,
            r"no further blocks .* after c_add, a_add, b_add, .*0\.05",
        ),
    ):
        with pytest.raises(error, match=message):
            stage(model, run_in(tmp_path))
    plain = tfc.models.mobilenet_v1((32, 32, 1), 3, alpha=0.25)
    with pytest.raises(ModelError, match="has 0 residual blocks"):
        tfc.LayerPruning(num_blocks=1).check(plain)
