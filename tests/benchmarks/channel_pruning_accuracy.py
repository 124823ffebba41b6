"""What channel pruning costs in accuracy, and what it gains over a narrower network.

Run: `python tests/benchmarks/channel_pruning_accuracy.py FILE [--seeds=3]
[--networks resnet8 mobilenet_v2]`. On the full Fashion-MNIST, for a CIFAR-style ResNet
and a MobileNetV2, each seed: trained; pruned to half and to a quarter of its
multiply-accumulates and trained on; and a network of a quarter of them by uniform
width, trained for as many steps in all. Each result is a line of FILE (JSON), written
as soon as it is there; the same command goes on after a stop. At the end: a table, and
exit code 1 if half the MACs cost more than 0.2 points in the mean.
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tf_keras as keras

import tfcompress as tfc

MAX_DROP = 0.002
EPOCHS = 5
SHAPE, NUM_CLASSES = (28, 28, 1), 10
PRUNED, NARROW = ("whole", "half", "quarter"), ("narrow",)


class Network(NamedTuple):
    """How to build one for epochs under a minute, and what it needs.

    Args:
      build: takes the width.
      narrow: width at which it has a quarter of its MACs.
      fine_tuning: epochs after pruning.
    """

    build: Callable[[float], keras.Model]
    narrow: float
    fine_tuning: int


NETWORKS = {
    "resnet8": Network(
        lambda alpha: tfc.models.resnet8(SHAPE, NUM_CLASSES, alpha), 0.5, fine_tuning=5
    ),
    "mobilenet_v2": Network(
        lambda alpha: tfc.models.mobilenet_v2(
            SHAPE, NUM_CLASSES, alpha, num_halvings=5
        ),
        0.4,
        fine_tuning=3,
    ),
}


def schedule(peak):
    return {
        "optimizer": "sgd",
        "learning_rate": tfc.CosineDecay(peak, warmup_epochs=0.5),
    }


def measure(model, data, variant):
    macs = tfc.profile(model).totals.macs
    return {"variant": variant, "macs": macs, "top1": tfc.evaluate(model, data).top1}


def pruned(network, run):
    """Yields what the trained network and its pruned forms came to."""
    keras.utils.set_random_seed(run.seed)
    model = tfc.Training(epochs=EPOCHS, **schedule(0.1))(network.build(1.0), run)
    yield measure(model, run.data, variant="whole")
    for variant, fraction in (("half", 0.5), ("quarter", 0.25)):
        stage = tfc.ChannelPruning(
            target={"macs": fraction},
            importance="taylor",
            round_to=2,
            epochs=network.fine_tuning,
            **schedule(0.05),
        )
        yield measure(stage(model, run), run.data, variant=variant)


def narrow(network, run):
    """Yields what the narrower network came to."""
    keras.utils.set_random_seed(run.seed)
    stage = tfc.Training(epochs=EPOCHS + network.fine_tuning, **schedule(0.1))
    model = stage(network.build(network.narrow), run)
    yield measure(model, run.data, variant="narrow")


def table(rows):
    """Prints each network's means; returns whether half the MACs cost too much."""
    is_worse = False
    for network in NETWORKS:
        found = [row for row in rows if row["network"] == network]
        whole = [row for row in found if row["variant"] == "whole"]
        for variant in (*PRUNED, *NARROW):
            mine = [row for row in found if row["variant"] == variant]
            if not mine:
                continue
            top1 = [row["top1"] for row in mine]
            macs = np.mean([row["macs"] for row in mine])
            share = macs / np.mean([row["macs"] for row in whole])
            drop = np.mean([row["top1"] for row in whole[: len(mine)]]) - np.mean(top1)
            is_worse |= variant == "half" and drop > MAX_DROP
            print(
                f"{network:14} {variant:8} {share:5.1%} of the MACs  top-1 "
                f"{np.mean(top1):.2%} (from {min(top1):.2%} to {max(top1):.2%}, "
                f"{len(mine)} seeds)  lost {100 * drop:+.2f} points"
            )
        quarter, narrow = (
            {row["seed"]: row["top1"] for row in found if row["variant"] == variant}
            for variant in ("quarter", "narrow")
        )
        if gains := [quarter[seed] - top1 for seed, top1 in narrow.items()]:
            print(
                f"{network:14} at a quarter of the MACs, pruned is "
                f"{100 * np.mean(gains):+.2f} points from narrow "
                f"(from {100 * min(gains):+.2f} to {100 * max(gains):+.2f})"
            )
    return is_worse


def main():
    """Goes on with what is missing in the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    arguments = parser.parse_args()
    data = tfc.data.load("fashion_mnist")
    lines = arguments.file.read_text().splitlines() if arguments.file.exists() else []
    rows = [json.loads(line) for line in lines]
    todo = itertools.product(
        range(arguments.seeds),
        arguments.networks,
        ((pruned, PRUNED), (narrow, NARROW)),
    )
    for seed, network, (make, names) in todo:
        facts = {"network": network, "seed": seed}
        done = [
            row
            for row in rows
            if facts.items() <= row.items() and row["variant"] in names
        ]
        if len(done) == len(names):
            continue
        rows = [row for row in rows if row not in done]
        with tempfile.TemporaryDirectory() as folder:
            run = tfc.Run(data=data, workdir=folder, seed=seed)
            for row in make(NETWORKS[network], run):
                rows.append(facts | row)
                text = "\n".join(json.dumps(row) for row in rows)
                arguments.file.write_text(text + "\n")
    return int(table(rows))


if __name__ == "__main__":
    sys.exit(main())
