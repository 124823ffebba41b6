import numpy as np
import pytest
import tf_keras as keras

from tfcompress.errors import InvalidArgumentError
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.models import shufflenet_v1
from tfcompress.profiling.keras_model import profile_keras_model


def counts(groups, stem, filters):
    """Parameters and multiply-accumulates at 224x224x3 and 1000 classes."""
    params, macs = 27 * stem + 4 * stem, 112**2 * 27 * stem
    side, num_in = 56, stem
    for stage, depth in enumerate((4, 8, 4)):
        num_out = filters * 2**stage
        for block in range(depth):
            first = 1 if stage == block == 0 else groups
            mid = num_out // 4
            made = num_out - num_in if block == 0 else num_out
            macs += side**2 * num_in * mid // first
            side //= 2 if block == 0 else 1
            macs += side**2 * (9 * mid + mid * made // groups)
            params += num_in * mid // first + 9 * mid + mid * made // groups
            params += 4 * (2 * mid + made)
            num_in = num_out
    return params + num_in * 1000 + 1000, macs + num_in * 1000


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("groups", "alpha", "stem", "filters", "params", "macs"),
    [
        # Table 2 of arXiv:1707.01083 says 143, 140, 137, 133 and 137 M at full width,
        # the authors' code 1.9 M and 138 M for 3 groups, 2.4 M and 138 M for 8.
        pytest.param(1, 1.0, 24, 144, 1_546_624, 143_078_976, marks=slow),
        pytest.param(2, 1.0, 24, 200, 1_754_248, 140_836_512, marks=slow),
        (3, 1.0, 24, 240, 1_890_208, 137_460_672),
        pytest.param(4, 1.0, 24, 272, 1_996_088, 134_339_776, marks=slow),
        pytest.param(8, 1.0, 24, 384, 2_473_936, 138_365_952, marks=slow),
        # The authors' code: 0.7 M and 38 M, 3.4 M and 292 M, 5.4 M and 524 M.
        pytest.param(3, 0.5, 12, 120, 730_564, 37_589_856, marks=slow),
        pytest.param(3, 1.5, 24, 360, 3_478_888, 292_443_552, marks=slow),
        pytest.param(3, 2.0, 48, 480, 5_499_736, 524_045_184, marks=slow),
        # 1.0 M and 40 M, 4.3 M and 290 M, 6.5 M and 522 M.
        pytest.param(8, 0.5, 16, 192, 1_031_032, 40_469_760, marks=slow),
        pytest.param(8, 1.5, 24, 576, 4_328_704, 290_188_800, marks=slow),
        pytest.param(8, 2.0, 48, 768, 6_600_568, 521_942_016, marks=slow),
    ],
)
def test_published_counts(groups, alpha, stem, filters, params, macs):
    assert counts(groups, stem, filters) == (params, macs)
    totals = profile_keras_model(shufflenet_v1(alpha=alpha, groups=groups)).totals
    assert (totals.params, totals.macs) == (params, macs)


@pytest.fixture(scope="module")
def small():
    return shufflenet_v1((16, 16, 1), 3, alpha=0.25, groups=4)


def test_only_the_first_convolution_of_all_stages_has_no_groups(small):
    grouped = [x.name for x in small.layers if isinstance(x, GroupedConv2D)]
    # 16 units of two 1x1 convolutions.
    assert len(grouped) == 31
    assert {small.get_layer(name).groups for name in grouped} == {4}
    assert type(small.get_layer("stage2_block1_reduce_conv")) is keras.layers.Conv2D


def test_every_output_of_a_unit_sees_every_input(small):
    # Without the shuffle a group would see its own quarter only.
    block = keras.Model(
        small.get_layer("stage3_block2_reduce_conv").input,
        small.get_layer("stage3_block2_expand_norm").output,
    )
    num_channels = block.input_shape[-1]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, *block.input_shape[1:])).astype(np.float32)
    changed = [x.copy() for _ in range(num_channels)]
    for channel, image in enumerate(changed):
        image[..., channel] += 5
    before = block(x).numpy()
    for image in changed:
        assert ((block(image) - before).numpy() != 0).any((0, 1, 2)).all()


def test_width_is_rounded_to_what_the_groups_divide(small):
    # 272 / 4 = 68, to a multiple of 16; 24 / 4 = 6, to a multiple of 4.
    assert small.get_layer("stage2_block1_concat").output_shape[-1] == 64
    assert small.get_layer("stem_conv").filters == 8


@pytest.mark.parametrize("groups", [0, 5, "3", None])
def test_groups_are_those_of_the_paper(groups):
    with pytest.raises(InvalidArgumentError, match="expected one of 1, 2, 3, 4, 8"):
        shufflenet_v1((16, 16, 1), 3, groups=groups)
