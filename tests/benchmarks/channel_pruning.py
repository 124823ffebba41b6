"""How much of the MACs that channel pruning saves is seen as latency on LiteRT.

Run: `python tests/benchmarks/channel_pruning.py`. Untrained networks (the time of dense
kernels does not depend on values) are pruned to half their multiply-accumulates, and
the float32 and int8 files before and after run in alternating blocks. The share is the
latency gain over the MAC gain; where it is below the limit, the exit code is 1.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
from without_amx import withhold_amx

import tfcompress as tfc
from tfcompress.channels.families import Limits
from tfcompress.channels.removal import Removable
from tfcompress.profiling.latency import latency_ratio
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

LIMIT = 0.75
NETWORKS = {
    "mobilenet_v2": tfc.models.mobilenet_v2,
    "resnet50": tfc.models.resnet50,
}


def prune(model, round_to, macs):
    """Returns a model of a fraction of the MACs, as ChannelPruning(epochs=0) does."""
    removable = Removable(model)
    scores = removable.scores("l2", sample=lambda: None, seed=0)
    whole = removable.cost.macs(removable.everything)
    keep = removable.choose(
        scores,
        Limits(round_to=round_to),
        "global",
        removable.cost.macs,
        macs * whole,
    )
    return removable.without(keep), whole / removable.cost.macs(keep)


def export(model, stem):
    """Returns the float32 and the int8 file of a model."""
    paths = [stem.with_suffix(f".{kind}.tflite") for kind in ("float32", "int8")]
    tfc.export_tflite(model, paths[0], quantization="float32")
    quantized = fake_quantize(model)
    calibrate(quantized, np.random.default_rng(0).random((2, *model.input_shape[1:])))
    tfc.export_tflite(quantized, paths[1], quantization="int8")
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--sides", nargs="+", type=int, default=[96, 224])
    parser.add_argument("--round-to", nargs="+", type=int, default=[8])
    parser.add_argument("--macs", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", help="keeps the files")
    parser.add_argument("--no-amx", action="store_true", help="as on other processors")
    options = parser.parse_args()
    if options.no_amx:
        withhold_amx()
    folder = Path(options.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    lowest = np.inf
    print("network       side round_to kind     MAC gain  latency gain  share")
    for name, side in itertools.product(options.networks, options.sides):
        model = NETWORKS[name]((side, side, 3), 1000)
        before = export(model, folder / f"{name}_{side}")
        for round_to in options.round_to:
            pruned, gain = prune(model, round_to, options.macs)
            after = export(pruned, folder / f"{name}_{side}_{round_to}")
            for kind, old, new in zip(("float32", "int8"), before, after, strict=True):
                ratio = latency_ratio(old, new, max_seconds=options.seconds).ratio
                lowest = min(lowest, ratio / gain)
                print(
                    f"{name:<13} {side:>4} {round_to:>8} {kind:<8} {gain:>8.2f} "
                    f"{ratio:>13.2f} {ratio / gain:>6.2f}",
                    flush=True,
                )
    return int(lowest < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
