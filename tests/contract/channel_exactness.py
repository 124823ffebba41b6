"""Whether removing channels does what zeros in their place do, on whole networks.

    python tests/contract/channel_exactness.py [NETWORK ...]

Networks are those of `tfcompress.models`, and of `keras.applications` (tf_keras,
without weights, 96x96x3). Their random weights are made realistic first, as
tests/realistic.py says. Then half the multiply-accumulates are taken out, by random
scores, and the smaller network is compared with the original in which the channels
that are gone are zero in every tensor. Exits with 1 unless every row is green.

BatchNorm gets the statistics of what is left, for with those of the whole network a
signal would fade on its way, and outputs that do not vary would agree for nothing.
Column `spread` is how much they vary from picture to picture.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import rich.console
import rich.table
import tf_keras

sys.path.insert(0, str(Path(__file__).parents[1]))

import realistic
from masking import masked, outputs, relative_error

import tfcompress as tfc
from tfcompress import models
from tfcompress.channels.families import Limits
from tfcompress.channels.removal import Removable

APPLICATIONS = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50"),
    *("ResNet50V2", "DenseNet121", "Xception", "InceptionV3", "NASNetMobile"),
    *("RegNetX002", "RegNetY002"),
)
ARCHITECTURES = tuple(sorted(models.ARCHITECTURES))
MAX_ERROR = 1e-4  # of the spread
MIN_SPREAD = 1e-3


@dataclasses.dataclass
class Row:
    """What was found of a network.

    Args:
      network: its name.
      groups, families: how many there are that can be removed.
      ratio: multiply-accumulates that are left when half are asked for.
      error: largest difference of the outputs, in terms of the largest output.
      spread: standard deviation of the outputs over the pictures, likewise.
      counts_agree: whether `tfc.profile` counts what `channels.cost` does.
      seconds: that all of it took.
    """

    network: str
    groups: int
    families: int
    ratio: float
    error: float
    spread: float
    counts_agree: bool
    seconds: float

    @property
    def is_green(self):
        """Whether everything that the product promises holds."""
        exact = self.error <= MAX_ERROR * self.spread
        return (
            exact
            and self.spread >= MIN_SPREAD
            and self.counts_agree
            and 0.48 <= self.ratio <= 0.5
        )


def build(name):
    """Returns the network with realistic weights, and the pictures it was made with."""
    tf_keras.utils.set_random_seed(0)
    if name in APPLICATIONS:
        shape, make = (96, 96, 3), getattr(tf_keras.applications, name)
        model = tfc.load_model(
            make(
                weights=None, input_shape=shape, classes=10, classifier_activation=None
            )
        )
    else:
        shape = (32, 32, 3)
        model = models.build(name, shape, 10, alpha=0.5)
    own = (tf_keras.layers.Rescaling, tf_keras.layers.Normalization)
    scale = 255 if any(isinstance(layer, own) for layer in model.layers) else 1
    images = realistic.pictures(8, shape, scale)
    realistic.make_realistic(model, images)
    return model, images


def check(name):
    """Prunes a network and returns its row."""
    started = time.monotonic()
    model, images = build(name)
    removable = Removable(model)
    everything, cost = removable.everything, removable.cost
    scores = np.random.default_rng(0).random(len(everything))
    # Narrow networks have too few channels for steps of 8.
    limits = Limits() if name in APPLICATIONS else Limits(1, 2)
    target = 0.5 * cost.macs(everything)
    keep = removable.choose(scores, limits, "global", cost.macs, target)
    totals = [tfc.profile(model).totals]
    graph, dependencies = removable.graph, removable.dependencies
    (expected,) = masked(graph, dependencies, keep, [images], adapt=True)
    smaller = removable.without(keep)
    totals.append(tfc.profile(smaller).totals)
    return Row(
        network=name,
        groups=sum(len(family.groups) for family in removable.families),
        families=len(removable.families),
        ratio=totals[1].macs / totals[0].macs,
        error=relative_error(outputs(smaller, [images]), [expected]),
        spread=float(expected.std(axis=0).max() / np.abs(expected).max()),
        counts_agree=all(
            (total.macs, total.params) == (cost.macs(kept), cost.params(kept))
            for total, kept in zip(totals, (everything, keep), strict=True)
        ),
        seconds=round(time.monotonic() - started, 1),
    )


def main(names):
    """Checks the networks that are named, or all; returns the exit code."""
    rows = []
    for name in names or (*ARCHITECTURES, *APPLICATIONS):
        rows.append(check(name))
        print(rows[-1], file=sys.stderr, flush=True)
        tf_keras.backend.clear_session()
    columns = [field.name for field in dataclasses.fields(Row)]
    table = rich.table.Table(*columns, "green")
    for row in rows:
        cells = [getattr(row, column) for column in columns]
        texts = [f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells]
        table.add_row(*texts, "yes" if row.is_green else "NO")
    rich.console.Console(width=160).print(table)
    return 0 if all(row.is_green for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
