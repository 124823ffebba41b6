import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.profiling.arenas import Arena
from tfcompress.profiling.counts import LayerProfile, Totals
from tfcompress.profiling.memory_plan import MemoryPlan
from tfcompress.profiling.memory_plot import plot_memory
from tfcompress.profiling.profile import Profile

LAYERS = tuple(LayerProfile(name, "CONV_2D", (1,), 0, 0, 0) for name in ("a", "$b\x1b"))


def profile(memory, arenas=()):
    return Profile("m", "tflite", Totals.of(LAYERS), LAYERS, memory, arenas)


def test_a_step_a_layer_and_a_line_a_runtime(tmp_path):
    arenas = (Arena("LiteRT", 4096), Arena("TensorFlow Lite Micro", 5120, 99))
    figure = plot_memory(profile(MemoryPlan(3072, 1, (1024, 2048)), arenas))
    (axes,) = figure.axes
    all_steps, peak = axes.patches
    assert all_steps.get_data().values.tolist() == [1.0, 2.0]  # KiB
    assert peak.get_data().values.tolist() == [2.0]
    assert [line.get_ydata()[0] for line in axes.lines] == [3.0, 4.0, 5.0]
    (text,) = axes.texts
    assert text.get_text() == r"$b\x1b (CONV_2D)"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "TensorFlow Lite Micro: 5,120 bytes" in labels
    figure.savefig(tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_plan_there_is_nothing_to_draw():
    with pytest.raises(InvalidArgumentError, match="has no memory plan"):
        plot_memory(profile(None))
