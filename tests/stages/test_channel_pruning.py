import warnings

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, ModelError, RecipeError
from tfcompress.stages.stage import check_order

layers = keras.layers
SMALL = {"round_to": 1, "min_channels": 1, "epochs": 0}


@pytest.fixture
def run(tmp_path):
    return tfc.Run(data=tiny.data(), workdir=tmp_path)


def wide(width=32, **options):
    """A model with enough channels to come close to any target."""
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(width, 3, name="conv", **options)(image)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(width, 1, name="conv2")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="wide")


@pytest.mark.parametrize("kind", ["macs", "params", "channels"])
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.9])
def test_targets_are_reached_from_below(run, kind, fraction):
    stage = tfc.ChannelPruning(target={kind: fraction}, **SMALL)
    model = wide()
    before, after = (tfc.profile(net).totals for net in (model, stage(model, run)))
    reached = run.facts["reached"]
    # A channel of conv2 is 1 of 67 channels; of conv, which both see, 1/34 of the MACs.
    assert fraction - 0.035 <= reached[kind] <= fraction
    assert reached["macs"] == after.macs / before.macs
    assert reached["params"] == after.params / before.params
    left = run.facts["channels"]
    assert left["logits"] == [3, 3]
    assert reached["channels"] == sum(n for _, n in left.values()) / (32 + 32 + 3)
    assert run.facts["kept_because"] == {"logits is an output of the model": 1}


def test_a_number_alone_is_a_fraction_of_the_channels(run):
    tfc.ChannelPruning(target=0.5, **SMALL)(wide(), run)
    assert run.facts["target"] == {"channels": 0.5}


def test_the_smallest_filters_go_and_the_others_stay_as_they_are(run):
    model = wide(16, use_bias=False)
    kernel = model.get_layer("conv").kernel
    sizes = np.array([3, 1, 4, 1.5, 5, 9, 2, 6, 5.3, 7, 5.8, 9.7, 9.3, 2.3, 8, 4.6])
    kernel.assign(np.ones((3, 3, 1, 16), np.float32) * sizes)
    stage = tfc.ChannelPruning(
        target=0.8, normalize=False, importance="l1", ignore=("conv2",), **SMALL
    )
    pruned = stage(model, run)
    # Of 16 + 16 + 3 channels 28 may stay: 9 of the first layer, the largest.
    kept = np.sort(np.argsort(sizes)[7:])
    found = pruned.get_layer("conv").kernel.numpy()
    np.testing.assert_array_equal(found, kernel.numpy()[..., kept])
    theirs = model.get_layer("conv2").kernel.numpy()
    np.testing.assert_array_equal(pruned.get_layer("conv2").kernel, theirs[:, :, kept])


def test_norm_gets_new_statistics(run):
    stage = tfc.ChannelPruning(target={"macs": 0.6}, num_images=16, **SMALL)
    pruned = stage(wide(), run)
    assert np.all(pruned.get_layer("norm").moving_variance.numpy() != 1)


@pytest.mark.parametrize(
    "importance", ["l1", "l2", "bn", "taylor", "fpgm", "activation", "random"]
)
def test_every_importance_goes(run, importance):
    stage = tfc.ChannelPruning(
        target={"params": 0.5}, importance=importance, num_images=8, **SMALL
    )
    stage(wide(), run)
    assert run.facts["reached"]["params"] <= 0.5


def test_a_function_of_the_users_is_asked(run):
    asked = []

    def importance(layer):
        asked.append(layer.name)
        assert layer.taylor.shape == layer.activation.shape == layer.kernel.shape[1:]
        return np.arange(layer.kernel.shape[1])

    tfc.ChannelPruning(target=0.9, importance=importance, **SMALL)(wide(), run)
    assert asked == ["conv", "conv2", "logits"]


def test_multiples_and_minimum_are_kept(run):
    stage = tfc.ChannelPruning(
        target={"macs": 0.6}, round_to=8, min_channels=16, epochs=0
    )
    stage(wide(), run)
    left = [after for _, after in run.facts["channels"].values()]
    assert left[-1] == 3
    assert all(n % 8 == 0 and n >= 16 for n in left[:-1])


def test_steps_too_coarse_for_the_target_are_told(run):
    # Of 16 + 16 + 3 channels at most 28 may stay: 8 + 16 + 3 in steps of 8.
    stage = tfc.ChannelPruning(target=0.8, round_to=8, epochs=0, max_removed=0.5)
    with pytest.warns(UserWarning, match=r"77.1% .*\(round_to=8") as told:
        stage(wide(16), run)
    assert run.facts["below_target"] == str(told[0].message)
    within = tfc.ChannelPruning(target=0.8, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        within(wide(16), run)
    assert run.facts["below_target"] is None


def test_iterations_reach_what_one_step_does(run):
    model = wide()
    macs = []
    for num_iterations in (1, 3):
        stage = tfc.ChannelPruning(
            target={"macs": 0.5}, num_iterations=num_iterations, **SMALL
        )
        macs.append(tfc.profile(stage(model, run)).totals.macs)
    whole = tfc.profile(model).totals.macs
    assert all(0.5 - 0.035 <= found / whole <= 0.5 for found in macs)


def test_iterations_go_on_from_each_other(run):
    stage = tfc.ChannelPruning(
        target={"macs": 0.4},
        num_iterations=3,
        epochs=1,
        batch_size=24,
        round_to=1,
        min_channels=1,
        max_removed=0.8,
    )
    stage(wide(), run)
    assert 0.36 <= run.facts["reached"]["macs"] <= 0.4


@pytest.mark.slow
def test_grouped_and_shuffled_layers_go(run):
    model = tfc.models.shufflenet_v1((8, 8, 1), 3, alpha=0.5)
    pruned = tfc.ChannelPruning(target={"macs": 0.6}, **SMALL)(model, run)
    assert run.facts["reached"]["macs"] <= 0.6
    assert pruned(tiny.arrays()[0][:2] / 255).shape == (2, 3)


def test_a_model_of_two_outputs_goes_without_training(run):
    model = wide()
    both = keras.Model(model.input, [model.output, model.layers[-2].output])
    pruned = tfc.ChannelPruning(target={"macs": 0.7}, **SMALL)(both, run)
    assert [t.shape[1] for t in pruned.outputs] == [3, 32]


def unchanged(model, run, stage, error, match):
    before = [weight.copy() for weight in model.get_weights()]
    layer_names = [layer.name for layer in model.layers]
    with pytest.raises(error, match=match) as caught:
        stage(model, run)
    assert "\n" not in str(caught.value)
    assert [layer.name for layer in model.layers] == layer_names
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "options",
    [
        *({"target": target} for target in (0, 1, -0.5, 1.5, "0.5", True, None, {})),
        {"target": {"macs": 0}},
        {"target": {"macs": 1.0}},
        {"target": {"macs": float("nan")}},
        {"target": {"macs": "half"}},
        {"target": {"flops": 0.5}},
        {"target": {"macs": 0.5, "params": 0.5}},
        {"importance": "l3"},
        {"importance": ["l1"]},
        {"reduction": "median"},
        {"ranking": "local"},
        {"num_iterations": 0},
        {"round_to": 0},
        {"min_channels": 0},
        {"min_channels": 1.5},
        {"num_images": 0},
        {"max_removed": 1},
        {"max_removed": "0.5"},
        {"ignore": "conv"},
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=f"ChannelPruning {name}"):
        tfc.ChannelPruning(**options)


def test_a_pattern_that_matches_nothing(run):
    stage = tfc.ChannelPruning(ignore=("convx",), **SMALL)
    match = "no layer of 'wide' is called 'convx'; did you mean 'conv'"
    unchanged(wide(), run, stage, InvalidArgumentError, match)


def test_a_target_out_of_reach_says_how_far_it_got_and_what_stopped_it(run):
    stage = tfc.ChannelPruning(target={"params": 0.05}, min_channels=16, epochs=0)
    match = (
        r"down to params \d+\.\d% of.*, not to .*5\.0%.*at least 16 channels.*"
        "logits is an output of the model"
    )
    unchanged(wide(), run, stage, ModelError, match)


def test_a_model_without_channels_to_remove(run):
    image = layers.Input((8, 8, 1))
    x = layers.Dense(3, name="logits")(layers.Flatten()(image))
    match = "no channels that can be removed: logits is an output of the model"
    model = keras.Model(image, x)
    unchanged(model, run, tfc.ChannelPruning(**SMALL), ModelError, match)
    match = "no channels that can be removed: .*is in ignore"
    stage = tfc.ChannelPruning(ignore=("*",), **SMALL)
    unchanged(wide(), run, stage, ModelError, match)


def test_a_model_of_several_inputs(run):
    images = [layers.Input((8, 8, 1)), layers.Input((8, 8, 1))]
    x = layers.Add()([layers.Conv2D(8, 1)(image) for image in images])
    model = keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    for options in (SMALL, SMALL | {"epochs": 1}):
        stage = tfc.ChannelPruning(**options)
        unchanged(model, run, stage, ModelError, "inputs of shape")


def test_a_model_for_other_images(run):
    image = layers.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(image))
    model = keras.Model(image, layers.Dense(3)(x))
    stage = tfc.ChannelPruning(**SMALL)
    unchanged(model, run, stage, ModelError, r"takes inputs of shape .*\(8, 8, 1\)")


def test_probabilities_have_no_taylor_importance(run):
    image = layers.Input((8, 8, 1))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(x))
    stage = tfc.ChannelPruning(importance="taylor", **SMALL)
    unchanged(model, run, stage, ModelError, "outputs probabilities")


def test_a_quantized_model(run):
    model = tfc.QuantizationAware(epochs=0)(tiny.model(), run)
    stage = tfc.ChannelPruning(**SMALL)
    unchanged(model, run, stage, ModelError, "is quantized already")


def test_what_it_would_undo_comes_after_it():
    stages = (tfc.Pruning(epochs=0), tfc.ChannelPruning())
    with pytest.raises(RecipeError, match="would undo the sparsity"):
        check_order(stages)
    check_order(stages[::-1])


def test_zeros_of_what_stays_are_kept(run):
    sparse = tfc.Pruning(final_sparsity=0.5, epochs=0)(wide(), run)
    pruned = tfc.ChannelPruning(target={"macs": 0.6}, **SMALL)(sparse, run)
    assert np.mean(pruned.get_layer("conv2").kernel.numpy() == 0) > 0.2
