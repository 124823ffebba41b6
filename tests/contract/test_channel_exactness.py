"""Half of a network goes, and what is left computes what zeros would have left."""

import pytest
from contract import channel_exactness

QUICK = ("ds_cnn", "resnet8")
# The others of keras.applications are in the script.
APPLICATIONS = (
    *("MobileNetV2", "MobileNetV3Small", "ResNet50V2", "RegNetY002", "MobileNet"),
)


@pytest.mark.parametrize("name", QUICK)
def test_an_architecture_without_half_of_it(name):
    row = channel_exactness.check(name)
    assert row.is_green, row


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n for n in (*channel_exactness.ARCHITECTURES, *APPLICATIONS) if n not in QUICK],
)
def test_a_network_without_half_of_it(name):
    row = channel_exactness.check(name)
    assert row.is_green, row


def test_the_script_has_every_network_that_is_promised():
    assert set(APPLICATIONS) <= set(channel_exactness.APPLICATIONS)
    assert len(channel_exactness.APPLICATIONS) == 12
