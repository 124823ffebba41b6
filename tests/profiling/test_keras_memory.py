import tiny
from both_generations import both_keras

from tfcompress.profiling.keras_memory import plan_keras_memory
from tfcompress.profiling.keras_model import profile_keras_model


@both_keras
def test_layers_run_one_by_one(keras):
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    y = keras.layers.ReLU(name="relu")(x)
    model = keras.Model(image, keras.layers.Add(name="add")([x, y]))
    memory = profile_keras_model(model).memory
    pixels = 4 * 64  # of 32 bits, one channel
    assert memory.live_bytes == (pixels, 5 * pixels, 8 * pixels, 12 * pixels)
    assert memory.peak_op == 3
    assert memory.peak_bytes == 12 * pixels


@both_keras
def test_a_nested_model_works_on_the_tensors_of_its_caller(keras):
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="dense")], name="inner"
    )
    x = keras.Input((4,), name="x")
    result = profile_keras_model(keras.Model(x, inner(inner(x))))
    names = [layer.name for layer in result.layers]
    # Of two calls one input and one output are alive at a time: 16 bytes each.
    live_bytes = dict(zip(names, result.memory.live_bytes, strict=True))
    assert live_bytes["inner/dense"] == 32
    assert result.memory.peak_bytes == 32


@both_keras
def test_the_input_of_a_sequential_model_counts(keras):
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(2, name="d")])
    plan = plan_keras_memory(model, ["d"])
    assert plan.live_bytes == (408,)


def test_the_plan_is_by_the_layers_of_the_profile():
    result = profile_keras_model(tiny.model())
    assert len(result.memory.live_bytes) == len(result.layers)
    assert result.totals.peak_op == result.layers[result.memory.peak_op].name
