"""How much faster ShuffleNetV1 trains with `GroupedConv2D` than with Keras' `Conv2D`.

Run: `python tests/benchmarks/grouped_convolution.py`. Both models have equal weights;
that their outputs and gradients agree is checked first. Then bursts of training steps
alternate in random order, and the 25th percentiles are compared. A ratio or difference
beyond its limit gives exit code 1. Takes some 3 minutes, most of them XLA's.
"""

import argparse
import random
import sys
import time

import numpy as np
import tensorflow as tf
import tf_keras as keras

import tfcompress as tfc
from tfcompress.layers.grouped_convolution import GroupedConv2D

MIN_SPEEDUP = 6.0
MAX_DIFFERENCE = 1e-5


def with_stock_convolutions(model):
    """Returns the same model with `Conv2D(groups=g)` of Keras."""

    def make(layer):
        kind = type(layer)
        kind = keras.layers.Conv2D if kind is GroupedConv2D else kind
        return kind.from_config(layer.get_config())

    stock = keras.models.clone_model(model, clone_function=make)
    stock.set_weights(model.get_weights())
    return stock


def difference(ours, stock, images, labels):
    """Returns how far outputs and gradients are apart, relative to the largest."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def results(model):
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            total = loss(labels, outputs)
        return [outputs, *tape.gradient(total, model.trainable_weights)]

    pairs = zip(results(ours), results(stock), strict=True)
    gaps = [float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs]
    return gaps[0], max(gaps[1:])


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    return model


def burst(model, images, labels, num_steps):
    started = time.perf_counter()
    for _ in range(num_steps):
        model.train_on_batch(images, labels)
    return (time.perf_counter() - started) / num_steps


def main():
    """Prints the ratio; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=128)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.random((arguments.batch_size, 28, 28, 1), np.float32)
    labels = rng.integers(0, 10, arguments.batch_size)
    ours = tfc.models.shufflenet_v1((28, 28, 1), 10, groups=arguments.groups)
    stock = with_stock_convolutions(ours)
    outputs, gradients = difference(ours, stock, images, labels)
    print(
        f"outputs differ by {outputs:.1e} of the largest, gradients by {gradients:.1e}"
    )
    models = {"GroupedConv2D": compiled(ours), "Conv2D of Keras": compiled(stock)}
    for model in models.values():
        burst(model, images, labels, 1)
    times = {name: [] for name in models}
    for _ in range(arguments.rounds):
        for name in random.sample(list(models), len(models)):
            num_steps = 5 if name == "GroupedConv2D" else 1
            times[name].append(burst(models[name], images, labels, num_steps))
    low = {name: float(np.percentile(values, 25)) for name, values in times.items()}
    for name, seconds in low.items():
        print(f"{name:16} {1000 * seconds:8.1f} ms a step")
    speedup = low["Conv2D of Keras"] / low["GroupedConv2D"]
    print(f"{speedup:.1f} times faster  (at least {MIN_SPEEDUP})")
    return int(speedup < MIN_SPEEDUP or outputs > MAX_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
