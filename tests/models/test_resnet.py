import pytest

from tfcompress import models
from tfcompress.profiling.keras_model import profile_keras_model


@pytest.mark.parametrize(
    ("name", "params", "trainable_params", "macs"),
    [
        # torchvision publishes trainable parameters and 1.814, 3.664 and 4.089 GMACs.
        ("resnet18", 11_699_112, 11_689_512, 1_814_073_344),
        pytest.param(
            "resnet34", 21_814_696, 21_797_672, 3_663_761_408, marks=pytest.mark.slow
        ),
        ("resnet50", 25_636_712, 25_583_592, 4_089_184_256),
        # MLPerf Tiny's ResNet-8, and the ResNet v1 example of Keras.
        ("resnet8", 78_666, 78_186, 12_501_632),
        ("resnet20", 274_442, 273_066, 40_813_184),
        pytest.param("resnet56", 861_770, 857_706, 125_747_840, marks=pytest.mark.slow),
    ],
)
def test_published_counts(name, params, trainable_params, macs):
    totals = profile_keras_model(models.ARCHITECTURES[name]()).totals
    assert totals.params == params
    assert totals.trainable_params == trainable_params
    assert totals.macs == macs


@pytest.mark.parametrize("num_blocks", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_small_resnets_by_arithmetic(num_blocks):
    params = 27 * 16 + 16 + 4 * 16 + 64 * 10 + 10
    macs = 32**2 * 27 * 16 + 64 * 10
    num_in = 16
    for num_out, side in ((16, 32), (32, 16), (64, 8)):
        for block in range(num_blocks):
            params += 9 * num_in * num_out + 9 * num_out**2 + 2 * (1 + 4) * num_out
            macs += side**2 * (9 * num_in * num_out + 9 * num_out**2)
            if block == 0 and num_in != num_out:
                params += num_in * num_out + num_out
                macs += side**2 * num_in * num_out
            num_in = num_out
    model = models.build(f"resnet{6 * num_blocks + 2}", (32, 32, 3), 10)
    totals = profile_keras_model(model).totals
    assert (totals.params, totals.macs) == (params, macs)


@pytest.mark.slow
def test_strides_of_the_bottleneck_sit_on_its_3x3_convolution():
    model = models.resnet50((96, 96, 3), 10, alpha=0.125)
    assert model.get_layer("stage2_block1_reduce_conv").strides == (1, 1)
    assert model.get_layer("stage2_block1_a_conv").strides == (2, 2)


def test_small_input_drops_stem_stride_and_pool_but_no_weight():
    small = models.resnet18((28, 28, 3), 10, alpha=0.125)
    large = models.resnet18((128, 128, 3), 10, alpha=0.125)
    assert small.get_layer("stem_conv").strides == (1, 1)
    assert "stem_pool" not in {layer.name for layer in small.layers}
    assert small.get_layer("pool").input_shape == (None, 4, 4, 64)
    assert [w.shape for w in small.weights] == [w.shape for w in large.weights]
