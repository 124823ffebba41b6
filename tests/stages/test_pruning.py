import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError

layers = keras.layers

# stem 3*3*1*8 = 72 weights, projection 8*8 = 64, logits 8*3 = 24: too few for 0.005,
# so half a weight is what can be promised.
SIZES = {"stem_conv": 72, "block_project": 64, "logits": 24}


def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def sparsity(model):
    return {
        layer.name: float(np.mean(layer.kernel.numpy() == 0))
        for layer in model.layers
        if hasattr(layer, "kernel")
    }


def wide_model():
    """A model whose kernels have enough weights for 0.005 to mean something."""
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(image)
    x = layers.Conv2D(32, 3, activation="relu", name="conv2")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="wide")


@pytest.mark.parametrize("epochs", [0, 1, 3])
@pytest.mark.parametrize("schedule", ["polynomial", "constant"])
@pytest.mark.parametrize("final_sparsity", [0.3, 0.8])
def test_sparsity_reached_is_the_one_asked_for(
    tmp_path, epochs, schedule, final_sparsity
):
    stage = tfc.Pruning(
        final_sparsity=final_sparsity, epochs=epochs, schedule=schedule, batch_size=16
    )
    for name, reached in sparsity(stage(wide_model(), run(tmp_path))).items():
        assert reached == pytest.approx(final_sparsity, abs=0.005), name


@pytest.mark.parametrize("frequency", [1, 7, 100])
def test_any_frequency_ends_at_the_final_sparsity(tmp_path, frequency):
    stage = tfc.Pruning(
        final_sparsity=0.6, epochs=2, frequency=frequency, batch_size=16
    )
    for reached in sparsity(stage(wide_model(), run(tmp_path))).values():
        assert reached == pytest.approx(0.6, abs=0.005)


def test_one_shot_keeps_the_largest_weights_as_they_are(tmp_path):
    model = tiny.model()
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(model, run(tmp_path))
    for name, size in SIZES.items():
        before = model.get_layer(name).kernel.numpy().ravel()
        after = pruned.get_layer(name).kernel.numpy().ravel()
        kept = np.argsort(-np.abs(before))[: size // 2]
        expected = np.zeros(size, np.float32)
        expected[kept] = before[kept]
        np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("epochs", [0, 1])
def test_depthwise_is_pruned_when_asked_for(tmp_path, epochs):
    stage = tfc.Pruning(
        final_sparsity=0.5,
        layers=("block_depthwise",),
        depthwise=True,
        epochs=epochs,
        batch_size=12,
    )
    pruned = stage(tiny.model(), run(tmp_path))
    kernel = pruned.get_layer("block_depthwise").depthwise_kernel.numpy()
    # 3 x 3 x 8 weights, half of them zero.
    assert np.sum(kernel == 0) == 36
    assert np.all(pruned.get_layer("stem_conv").kernel.numpy() != 0)


def test_depthwise_is_left_dense_and_said_so(tmp_path):
    context = run(tmp_path)
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(tiny.model(), context)
    assert np.all(pruned.get_layer("block_depthwise").depthwise_kernel.numpy() != 0)
    assert context.facts["skipped"] == {
        "block_depthwise": "depthwise kernels are pruned with depthwise=True"
    }
    assert set(context.facts["layers"]) == set(SIZES)


def test_only_chosen_layers_are_pruned(tmp_path):
    stage = tfc.Pruning(epochs=0, layers=("block_*", "logits"), exclude=("logits",))
    reached = sparsity(stage(tiny.model(), run(tmp_path)))
    assert reached == {"stem_conv": 0.0, "block_project": 0.5, "logits": 0.0}


def test_m_by_n_zeros_in_every_block_of_inputs(tmp_path):
    stage = tfc.Pruning(sparsity_m_by_n=(2, 4), epochs=1, batch_size=16)
    pruned = stage(tiny.model(), run(tmp_path))
    # (1, 1, 8, 8): for each of 8 outputs, two blocks of 4 inputs.
    blocks = pruned.get_layer("block_project").kernel.numpy()[0, 0].reshape(2, 4, 8)
    np.testing.assert_array_equal(np.sum(blocks == 0, axis=1), np.full((2, 8), 2))
    # The stem has a single input channel, which fills no block of 4.
    assert sparsity(pruned)["stem_conv"] == 0.0


def test_blocks_of_a_dense_kernel_live_or_die_together(tmp_path):
    stage = tfc.Pruning(final_sparsity=0.5, block_size=(4, 1), epochs=1, batch_size=16)
    pruned = stage(wide_model(), run(tmp_path))
    kernel = pruned.get_layer("logits").kernel.numpy()  # (512, 3)
    zeros = np.sum(kernel.reshape(128, 4, 3) == 0, axis=1)
    assert set(np.unique(zeros)) == {0, 4}
    assert sparsity(pruned) == {"conv": 0.0, "conv2": 0.0, "logits": 0.5}


def test_distilled_while_pruned(tmp_path):
    student, teacher = tiny.student_and_teacher()
    context = run(tmp_path)
    losses = ((tfc.LogitMatching(), 1.0),)
    objective = tfc.Distillation(teacher, losses=losses, hard_weight=0.0)
    images, _ = next(iter(context.data.batches("test")))
    before = [weight.copy() for weight in teacher.get_weights()]

    def difference(**options):
        result = tfc.Pruning(final_sparsity=0.5, **options)(student, context)
        assert sparsity(result)["block_project"] == 0.5
        logits = result(images, training=False), teacher(images, training=False)
        return np.square(np.subtract(*logits)).mean()

    taught = difference(epochs=3, batch_size=12, learning_rate=0.1, objective=objective)
    assert taught < difference(epochs=0) / 4
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_iterative_pruning_goes_up_and_never_loses_zeros(tmp_path):
    context = run(tmp_path)
    half = tfc.Pruning(final_sparsity=0.5, epochs=0)(wide_model(), context)
    more = tfc.Pruning(final_sparsity=0.75, epochs=1, batch_size=16)(half, context)
    for reached in sparsity(more).values():
        assert reached == pytest.approx(0.75, abs=0.005)
    with pytest.raises(InvalidArgumentError, match="ask for more"):
        tfc.Pruning(final_sparsity=0.25, epochs=0)(half, context)
    with pytest.raises(InvalidArgumentError, match="would fill"):
        tfc.Pruning(layers=("logits",), final_sparsity=0.75, epochs=1)(half, context)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"final_sparsity": 80}, "0.8 for 80 %"),
        ({"final_sparsity": 1.0}, r"\(0, 1\)"),
        ({"initial_sparsity": 0.9}, "initial_sparsity"),
        ({"schedule": "linear"}, "'polynomial' or 'constant'"),
        ({"end_fraction": 0}, "end_fraction"),
        ({"frequency": -1}, "frequency"),
        ({"sparsity_m_by_n": (4, 4)}, r"\(2, 4\)"),
        ({"early_stopping": 2}, "schedule='constant'"),
        ({"restore_best_weights": True}, "schedule='constant'"),
        ({"epochs": -1}, "epochs"),
    ],
)
def test_wrong_setting_is_refused_at_once(settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        tfc.Pruning(**settings)


def test_pattern_without_a_layer_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="did you mean 'logits'"):
        tfc.Pruning(layers=("logit",), epochs=0)(tiny.model(), run(tmp_path))
