"""How much faster the int8 file of an architecture is than its float32 file.

    python tests/benchmarks/int8_latency.py [ARCHITECTURE ...] [--size=96] [--no-amx]

Each network is built untrained with 10 classes, its weights are made realistic (scales
that XNNPACK refuses would tell nothing), and it goes through QuantizationAware twice:
with the operators that XNNPACK has kernels for, and with the runtime's own. The files
run in one process on one core, in alternating blocks of 1 ms in random order, and the
tenth percentiles are compared: means say nothing on a busy machine. Column `outside`
has the int8 operators that XNNPACK does not take; it has to stop at each of them. The
exit code is 1 where a file with fast operators gains less than 1.5x.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

sys.path.insert(0, str(Path(__file__).parents[1]))

import realistic
from without_amx import withhold_amx

import tfcompress as tfc
from tfcompress.profiling.latency import measure_together
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

NAMES = (
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "shufflenet_v1",
    "shufflenet_v2",
    "efficientnet_b0",
    "efficientnet_lite0",
    "ghostnet",
)
OPERATORS = ("builtin", "fast")
LIMIT = 1.5


def export(name, size, folder):
    """Writes the float32 file and one int8 file for each choice of operators."""
    keras.utils.set_random_seed(0)
    options = {"groups": 3} if name == "shufflenet_v1" else {}
    model = tfc.models.build(name, (size, size, 3), 10, **options)
    pictures = realistic.pictures(8, model.input_shape[1:])
    realistic.make_realistic(model, pictures)
    paths = {"float32": folder / f"{name}_float32.tflite"}
    tfc.export_tflite(model, paths["float32"], quantization="float32")
    for operators in OPERATORS:
        paths[operators] = folder / f"{name}_{operators}.tflite"
        quantized = fake_quantize(model, operators=operators)
        calibrate(quantized, pictures)
        tfc.export_tflite(quantized, paths[operators])
    return paths


def outside(path):
    """Returns the names of the operators that run outside of XNNPACK, with repeats.

    The runtime lists all operators and the delegates that stand for some: those that
    are left are found from the outputs backwards, with delegates going first.
    """
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    # Delegates come last, and so overwrite the operators whose outputs they make.
    makers = {int(t): op for op in operators for t in op["outputs"]}
    tensors = [int(port["index"]) for port in interpreter.get_output_details()]
    seen, names = set(), []
    while tensors:
        tensor = tensors.pop()
        if tensor in seen or tensor not in makers:
            continue
        seen.add(tensor)
        maker = makers[tensor]
        if maker["op_name"] != "DELEGATE":
            names.append(maker["op_name"])
        tensors += [int(t) for t in maker["inputs"]]
    return names


def main():
    """Prints a row for each network and choice of operators; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="ARCHITECTURE")
    parser.add_argument("--size", type=int, default=96, help="side of the picture")
    parser.add_argument("--seconds", type=float, default=15, help="for a network")
    parser.add_argument("--no-amx", action="store_true", help="as on other processors")
    arguments = parser.parse_args()
    if arguments.no_amx:
        withhold_amx()
    lowest = float("inf")
    print(f"{'':20} {'operators':10} {'float32':>9} {'int8':>9} {'ratio':>6}  outside")
    for name in arguments.names:
        with tempfile.TemporaryDirectory() as folder:
            paths = export(name, arguments.size, Path(folder))
            plain, *others = measure_together(
                list(paths.values()), num_blocks=10**6, max_seconds=arguments.seconds
            )
            lowest = min(lowest, plain / others[OPERATORS.index("fast")])
            for operators, int8 in zip(OPERATORS, others, strict=True):
                left = outside(paths[operators])
                counts = {op: left.count(op) for op in sorted(set(left))}
                print(
                    f"{name:20} {operators:10} {plain:6.3f} ms {int8:6.3f} ms "
                    f"{plain / int8:6.2f}  {counts or ''}",
                    flush=True,
                )

    return int(lowest < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
