"""What pruning and QAT add to a training step, as ratios in one run.

Run: `python tests/benchmarks/training_step.py`. Bursts of steps of the plain and of
each wrapped model alternate in random order, and the 25th percentiles are compared: on
a busy machine means say nothing, and a ratio of low quantiles repeats within some
percent. The second plain model shows how much of a ratio is noise; where it is beyond
its own limit, the machine was too busy for a verdict (exit code 2). A limit that is not
kept gives exit code 1.
"""

import argparse
import sys
import tempfile

import tf_keras as keras
from alternating import low_seconds, verdict

import tfcompress as tfc
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate
from tfcompress.stages.pruning import Pruning
from tfcompress.stages.stage import clone_model, select_layers

LIMITS = {"plain again": 1.05, "pruning": 1.1, "QAT": 1.5}


def compiled(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def candidates(data, batch_size):
    """Returns models of equal architecture, by what is trained around them."""
    model = tfc.models.mobilenet_v1((28, 28, 1), 10, alpha=0.5, num_blocks=7)
    run = tfc.Run(data=data, workdir=tempfile.mkdtemp())
    # The steps of a usual stage, so that masks are updated as often as there.
    stage = Pruning(final_sparsity=0.8, epochs=10, batch_size=batch_size)
    names = select_layers(model, stage.layers, stage.suits)
    pruned = stage._wrap(clone_model(model), names, run)
    for layer in pruned.layers:
        if hasattr(layer, "pruning_step"):
            layer.pruning_step.assign(0)
    quantized = fake_quantize(model)
    calibrate(quantized, data.calibration(256).images)
    return {
        "plain": compiled(clone_model(model)),
        "plain again": compiled(clone_model(model)),
        "pruning": compiled(pruned),
        "QAT": compiled(quantized),
    }


def main():
    """Prints the ratios; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=8, help="steps a burst")
    parser.add_argument("--batch_size", type=int, default=128)
    arguments = parser.parse_args()
    data = tfc.data.load("fashion_mnist_small")
    batches = iter(data.train_batches(arguments.batch_size, seed=0))
    models = candidates(data, arguments.batch_size)
    steps = {
        name: lambda model=model: model.train_on_batch(*next(batches))
        for name, model in models.items()
    }
    low = low_seconds(steps, arguments.rounds, arguments.steps)
    ratios = {name: seconds / low["plain"] for name, seconds in low.items()}
    for name, seconds in low.items():
        limit = f"  (at most {LIMITS[name]})" if name in LIMITS else ""
        print(f"{name:32} {1000 * seconds:7.1f} ms {ratios[name]:6.3f}x{limit}")
    return verdict(ratios, LIMITS)


if __name__ == "__main__":
    sys.exit(main())
