"""Networks of keras.applications go through everything; the script has all of them."""

import pytest
from contract import coverage_matrix

ROWS = [
    ("MobileNetV3Small", "keras3"),
    ("MobileNetV2", "tf_keras"),
    ("EfficientNetB0", "keras3"),
    ("ResNet50V2", "tf_keras"),
    ("DenseNet121", "keras3"),
    ("RegNetY002", "tf_keras"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "generation"), ROWS)
def test_a_network_goes_through_everything(network, generation):
    row = coverage_matrix.cover(network, generation, with_tfmot=False)
    assert row.is_green, row.to_dict()


def test_the_script_has_every_network_that_is_promised():
    networks = {name for name, _ in coverage_matrix.NETWORKS}
    assert {name for name, _ in ROWS} <= networks
    assert len(networks) == 18 and len(coverage_matrix.NETWORKS) == 33
