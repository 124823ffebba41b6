import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.stages.stage import Stage, check_order, clone_model, select_layers


def is_conv(layer):
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return isinstance(layer, kinds)


def test_clone_shares_no_layer():
    model = tiny.model()
    clone = clone_model(model)
    assert not {id(layer) for layer in model.layers} & {id(x) for x in clone.layers}
    for kept, copied in zip(model.get_weights(), clone.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, copied)


def test_select_layers_keeps_model_order_and_leaves_out():
    model = tiny.model()
    assert select_layers(model, ("*",), is_conv) == [
        "stem_conv",
        "block_depthwise",
        "block_project",
    ]
    chosen = select_layers(model, ("block_*", "stem_conv"), is_conv, ("*depthwise",))
    assert chosen == ["stem_conv", "block_project"]


@pytest.mark.parametrize(
    ("patterns", "exclude", "message"),
    [
        (("stem_cnv",), (), "did you mean 'stem_conv'"),
        (("zzz",), (), "no layer of 'tiny'"),
        (("pool",), (), "cannot take this technique"),
        (("*",), ("zzz",), "exclude"),
        (("*",), ("*",), "no layer of 'tiny' is left"),
    ],
)
def test_patterns_that_choose_nothing_are_refused(patterns, exclude, message):
    with pytest.raises(InvalidArgumentError, match=message):
        select_layers(tiny.model(), patterns, is_conv, exclude)


def test_order_is_checked_for_every_pair():
    training, pruning = tfc.Training(), tfc.Pruning()
    quantization = tfc.QuantizationAware()
    for stage in (training, pruning, quantization):
        assert isinstance(stage, Stage)
    check_order([training, training, pruning, pruning, quantization])
    with pytest.raises(RecipeError, match=r"stage 2 .*stage 0"):
        check_order([pruning, pruning, training])
