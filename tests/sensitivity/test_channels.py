import json

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.channels.removal import Removable
from tfcompress.errors import InvalidArgumentError, ModelError

layers = keras.layers


def data(num_per_class=50):
    validation = tiny.arrays(num_per_class, seed=2)
    return tfc.data.from_arrays(tiny.arrays(), tiny.arrays(10, seed=1), validation)


def plain(seed=0):
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="first")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="second")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="plain")


def first_ones_matter_least(layer):
    return np.arange(1.0, layer.kernel.shape[1] + 1)


def test_rows_say_what_is_left_without_the_smallest_filters():
    model = plain()
    before = model.get_weights()
    scan = tfc.channel_sensitivity(model, data(), ratios=(0.25, 0.7))
    expected, found = [], []
    # 0.25 of 4 is 1 and of 6 is 1.5; 0.7 of 4 is 2.8 and of 6 is 4.2.
    cases = [("first", 4, 1), ("first", 4, 2), ("second", 6, 1), ("second", 6, 4)]
    for (name, size, gone), row in zip(cases, scan.rows, strict=True):
        smaller = keras.models.clone_model(model)
        smaller.set_weights(before)
        kernel, bias = smaller.get_layer(name).get_weights()
        weakest = np.argsort(np.sqrt((kernel**2).sum((0, 1, 2))))[:gone]
        kernel[..., weakest] = bias[weakest] = 0
        smaller.get_layer(name).set_weights([kernel, bias])
        assert row.layers == (name,)
        assert row.removed == pytest.approx(gone / size)
        expected.append(tfc.evaluate(smaller, data(), "validation").top1)
        found.append(row.top1)
    assert [row.ratio for row in scan.rows] == [0.25, 0.7, 0.25, 0.7]
    assert found == pytest.approx(expected)
    assert len({scan.top1, *found}) > 2
    assert scan.top1 == pytest.approx(tfc.evaluate(model, data(), "validation").top1)
    assert scan.num_images == 150
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_layers_that_go_together_are_one_row_and_equal_the_smaller_model():
    run = data()
    model = tiny.model()
    scan = tfc.channel_sensitivity(
        model, run, (0.5,), importance=first_ones_matter_least
    )
    (row,) = scan.rows
    assert row.layers == ("stem_conv", "block_depthwise", "block_project")
    assert row.removed == 0.5
    removable = Removable(model)
    keep = removable.everything
    (stem,) = [k for k in removable.cost.kernels if k.name == "stem_conv"]
    keep[stem.outputs[:4]] = False
    smaller = removable.without(keep)
    assert row.top1 == pytest.approx(tfc.evaluate(smaller, run, "validation").top1)
    assert scan.importance == "first_ones_matter_least"


def test_images_are_bounded_and_drawn_evenly_from_the_classes():
    scan = tfc.channel_sensitivity(plain(), data(), (0.5,), num_images=30)
    assert scan.num_images == 30
    # Shares of 30 images; of all 150 they would be finer.
    for top1 in (scan.top1, *(row.top1 for row in scan.rows)):
        assert 30 * top1 == pytest.approx(round(30 * top1), abs=1e-4)


def test_measured_importance_and_json():
    scan = tfc.channel_sensitivity(plain(), data(), (0.5,), importance="taylor")
    values = json.loads(scan.to_json())
    assert values["importance"] == "taylor"
    assert values["model"] == "plain"
    assert values["rows"][0] == {
        "layers": ["first"],
        "ratio": 0.5,
        "removed": 0.5,
        "top1": scan.rows[0].top1,
    }


@pytest.mark.parametrize("ratios", [(), (0.0,), (1.0,), (0.5, 50)])
def test_ratio_that_is_no_share_is_refused(ratios):
    with pytest.raises(InvalidArgumentError, match="shares of channels to remove"):
        tfc.channel_sensitivity(plain(), data(), ratios)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InvalidArgumentError, match="one of l1, l2, bn"):
        tfc.channel_sensitivity(plain(), data(), importance="l3")
    image = keras.Input((8, 8, 1))
    flat = layers.Flatten()(image)
    linear = keras.Model(image, layers.Dense(3, name="end")(flat), name="linear")
    with pytest.raises(ModelError, match=r"'linear' has no channels .* an output"):
        tfc.channel_sensitivity(linear, data())
    with pytest.raises(ModelError):
        tfc.channel_sensitivity(tfc.models.resnet8((16, 16, 3), 3), data())
