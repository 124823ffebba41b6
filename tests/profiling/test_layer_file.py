import pytest

from tfcompress.profiling.latency import measure_together
from tfcompress.profiling.layer_file import LayerShape, build_layer_file
from tfcompress.profiling.profile import profile

# Shape, inputs, outputs; then sides of the output, multiply-accumulates and kernel.
LAYERS = [
    (LayerShape("CONV_2D", (6, 4)), 3, 5, (6, 4, 5), 6 * 4 * 3 * 5),
    (LayerShape("CONV_2D", (7, 7), (3, 3), (2, 2)), 2, 4, (4, 4, 4), 16 * 9 * 8),
    (
        LayerShape("CONV_2D", (9, 9), (3, 3), (1, 1), (2, 2), "valid"),
        *(2, 4),
        *((5, 5, 4), 25 * 9 * 8),
    ),
    (LayerShape("CONV_2D", (4, 4), groups=2), 8, 6, (4, 4, 6), 16 * 6 * 4),
    (LayerShape("DEPTHWISE_CONV_2D", (4, 4), (3, 3)), 8, 8, (4, 4, 8), 16 * 9 * 8),
    (LayerShape("DEPTHWISE_CONV_2D", (4, 4), (3, 3)), 4, 8, (4, 4, 8), 16 * 9 * 8),
    (LayerShape("FULLY_CONNECTED", (1, 1)), 8, 10, (10,), 80),
    (LayerShape("FULLY_CONNECTED", (1, 6)), 8, 10, (10,), 6 * 80),
]


@pytest.mark.parametrize(("layer", "inputs", "outputs", "shape", "macs"), LAYERS)
def test_file_computes_what_the_shape_says(
    tmp_path, layer, inputs, outputs, shape, macs
):
    path = tmp_path / "layer.tflite"
    path.write_bytes(build_layer_file(layer, inputs, outputs))
    measured = profile(path, latency=False)
    (found,) = measured.layers
    assert (found.type, found.output_shape, found.macs) == (layer.op, shape, macs)


def test_litert_runs_every_kind(tmp_path):
    paths = []
    for number, (layer, inputs, outputs, *_) in enumerate(LAYERS):
        paths.append(tmp_path / f"{number}.tflite")
        paths[-1].write_bytes(build_layer_file(layer, inputs, outputs))
    times = measure_together(paths, num_blocks=2, max_seconds=0)
    assert len(times) == len(LAYERS)
    assert min(times) > 0
