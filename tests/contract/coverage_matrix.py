"""Which networks of keras.applications go through which technique.

    python tests/contract/coverage_matrix.py [NETWORK ...] [--json=FILE]

Every network is built without weights at 96x96x3 (or the smallest size it accepts) with
10 classes, by Keras 3 and by tf_keras, and taken through loading, diagnosis, pruning,
clustering, quantization-aware training, int8 export, one inference, and parity: the
file against the fake-quantized model, in steps of the output's scale. The last columns
are what TF-MOT by itself makes of the same network. Exits with 1 unless every row is
green.

Random weights are made realistic first: tests/realistic.py says how, and why. Column
`kernels` is LiteRT against itself (XNNPACK against the reference kernels) on the same
file: no exporter can be closer to one of them than they are to each other. Column
`spread` is how much the outputs vary from picture to picture, in steps: outputs that
never vary would agree for nothing.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

import keras as keras_3
import numpy as np
import rich.console
import rich.table
import tensorflow_model_optimization as tfmot
import tf_keras
from ai_edge_litert.interpreter import Interpreter, OpResolverType

sys.path.insert(0, str(Path(__file__).parents[1]))

import realistic

import tfcompress as tfc
from tfcompress.errors import TfcompressError

SIDE = 96  # all of them accept it
NUM_CLASSES = 10
NUM_IMAGES = 32
MAX_STEPS = 4
MIN_SPREAD = 10
_BOTH = (
    "MobileNet MobileNetV2 MobileNetV3Small MobileNetV3Large EfficientNetB0 "
    "EfficientNetV2B0 NASNetMobile ResNet50 ResNet50V2 DenseNet121 Xception "
    "InceptionV3 InceptionResNetV2 VGG16 ConvNeXtTiny"
)
_ONLY_TF_KERAS = "RegNetX002 RegNetY002 ResNetRS50"
NETWORKS = (
    *((name, keras) for name in _BOTH.split() for keras in ("keras3", "tf_keras")),
    *((name, "tf_keras") for name in _ONLY_TF_KERAS.split()),
)
# Layers that the runtime has no int8 operator for.
FLOAT_LAYERS = {"ConvNeXtTiny": ("*layernorm*",)}
COLUMNS = (
    "load",
    "diagnose",
    "prune",
    "cluster",
    "qat",
    "int8",
    "parity",
    "kernels",
    "spread",
    "tfmot_prune",
    "tfmot_qat",
)


def build(name, generation):
    """Returns the untrained network."""
    keras = {"keras3": keras_3, "tf_keras": tf_keras}[generation]
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        classes=NUM_CLASSES,
        classifier_activation=None,
    )


def input_scale(model):
    """Returns 255 for networks that rescale their input themselves, else 1."""
    own = (tf_keras.layers.Rescaling, tf_keras.layers.Normalization)
    return 255 if any(isinstance(layer, own) for layer in model.layers) else 1


def parity(path, model, pictures):
    """Compares the file's outputs, in steps of their scale.

    Returns:
      The largest difference to the model; that of LiteRT's two sets of kernels; how
      much the outputs vary from picture to picture (standard deviation).
    """
    outputs = []
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        (given,) = interpreter.get_input_details()
        (made,) = interpreter.get_output_details()
        scale, zero = given["quantization"]
        steps = np.clip(np.round(pictures / scale) + zero, -128, 127).astype(np.int8)
        results = []
        for picture in steps:
            interpreter.set_tensor(given["index"], picture[np.newaxis])
            interpreter.invoke()
            results.append(interpreter.get_tensor(made["index"])[0])
        outputs.append(np.array(results, np.float32) - made["quantization"][1])
    expected = model(pictures, training=False).numpy() / made["quantization"][0]
    return (
        round(float(np.abs(outputs[0] - expected).max()), 2),
        round(float(np.abs(outputs[0] - outputs[1]).max()), 2),
        round(float(outputs[0].std(axis=0).max()), 1),
    )


class Row:
    """One network: what each column says, and whether that is what is promised."""

    def __init__(self, network, generation):
        self.network, self.generation = network, generation
        self.cells = dict.fromkeys(COLUMNS, "")
        self.seconds = {}
        self.float_ops = {}

    def attempt(self, column, step):
        """Runs a step; on an error the cell holds its first line, and None is made."""
        started = time.monotonic()
        try:
            result = step()
            self.cells[column] = self.cells[column] or "ok"
        except Exception as error:  # whatever a library raises is the finding
            kind = "" if isinstance(error, TfcompressError) else type(error).__name__
            words = (str(error).strip().splitlines() or [""])[0]
            self.cells[column] = f"no: {kind} {words[:200]}".replace("  ", " ")
            result = None
        self.seconds[column] = round(time.monotonic() - started, 1)
        return result

    @property
    def is_green(self):
        """Whether everything that the product promises holds."""
        promised = ["load", "diagnose", "prune", "qat", "int8"]
        if self.network not in FLOAT_LAYERS:
            # ConvNeXt scales the channels of dense kernels: these are left out.
            promised.append("cluster")
        if any(self.cells[column] != "ok" for column in promised):
            return False
        if any(isinstance(self.cells[name], str) for name in ("parity", "spread")):
            return False
        within = self.network in FLOAT_LAYERS or self.cells["parity"] <= MAX_STEPS
        # Outputs that are the same for all pictures would agree for nothing.
        within = within and self.cells["spread"] >= MIN_SPREAD
        return within and (bool(self.float_ops) == (self.network in FLOAT_LAYERS))

    def to_dict(self):
        """Returns all of it, for JSON."""
        return {
            "network": self.network,
            "generation": self.generation,
            "green": self.is_green,
            **self.cells,
            "float_ops": self.float_ops,
            "seconds": self.seconds,
        }


def cover(name, generation, with_tfmot=True):
    """Takes a network through everything and returns its row."""
    row = Row(name, generation)
    original = build(name, generation)
    model = row.attempt("load", lambda: tfc.load_model(original))
    if with_tfmot:
        row.attempt(
            "tfmot_prune", lambda: tfmot.sparsity.keras.prune_low_magnitude(original)
        )
        row.attempt(
            "tfmot_qat", lambda: tfmot.quantization.keras.quantize_model(original)
        )
    if model is None:
        return row
    row.attempt("diagnose", lambda: _diagnose(model, row))
    pictures = realistic.pictures(NUM_IMAGES, model.input_shape[1:], input_scale(model))
    realistic.make_realistic(model, pictures)
    labels = np.arange(NUM_IMAGES) % NUM_CLASSES
    half = NUM_IMAGES // 2
    data = tfc.data.from_arrays(
        (pictures, labels), (pictures[:half], labels[:half]), validation_fraction=0.4
    )
    with tempfile.TemporaryDirectory() as folder:
        run = tfc.Run(data=data, workdir=folder, seed=0)
        row.attempt("prune", lambda: _prune(model, run))
        row.attempt("cluster", lambda: _cluster(model, run))
        stage = tfc.QuantizationAware(
            epochs=1,
            batch_size=8,
            learning_rate=1e-6,
            calibration=tfc.Calibration(num_images=NUM_IMAGES),
            keep_float=FLOAT_LAYERS.get(name, ()),
        )
        quantized = row.attempt("qat", lambda: stage(model, run))
        if quantized is not None:
            _export(row, quantized, Path(folder) / "model.tflite", pictures)
    tf_keras.backend.clear_session()
    keras_3.backend.clear_session()
    return row


def _diagnose(model, row):
    diagnosis = tfc.diagnose(model)
    refused = [r.name for r in diagnosis.rows if r.qat.startswith("no")]
    if bool(refused) != (row.network in FLOAT_LAYERS):
        raise AssertionError(f"diagnosis says no to {refused}")


def _prune(model, run):
    pruned = tfc.Pruning(final_sparsity=0.5, epochs=0)(model, run)
    sparsity = tfc.profile(pruned).totals.sparsity
    if not 0.4 < sparsity <= 0.505:
        raise AssertionError(f"sparsity is {sparsity}")


def _cluster(model, run):
    run = dataclasses.replace(run, facts={})
    # k-means++ would take minutes for the millions of weights of some.
    stage = tfc.Clustering(num_clusters=16, epochs=0, initialization="linear")
    clustered = stage(model, run)
    if len(run.facts["layers"]) < len(run.facts["skipped"]):
        raise AssertionError(f"left out {run.facts['skipped']}")
    for name in run.facts["layers"]:
        num_values = np.unique(clustered.get_layer(name).kernel).size
        if num_values > 16:
            raise AssertionError(f"{name} has {num_values} values")


def _export(row, quantized, path, pictures):
    artifact = row.attempt("int8", lambda: tfc.export_tflite(quantized, path))
    if artifact is None:
        return
    for op, _ in artifact.audit.float_ops:
        row.float_ops[op] = row.float_ops.get(op, 0) + 1
    found = row.attempt("parity", lambda: parity(path, quantized, pictures[:8]))
    if found is not None:
        row.cells |= dict(zip(("parity", "kernels", "spread"), found, strict=True))


def table(rows):
    """Returns the rows as a table for a terminal."""
    made = rich.table.Table("network", "keras", *COLUMNS, "green")
    for row in rows:
        cells = [str(row.cells[column])[:28] for column in COLUMNS]
        made.add_row(
            row.network, row.generation, *cells, "yes" if row.is_green else "NO"
        )
    return made


def main(words):
    """Runs the networks that are named, or all; returns the exit code."""
    files = [word.partition("=")[2] for word in words if word.startswith("--json=")]
    names = [word for word in words if not word.startswith("--")]
    rows = []
    for name, generation in NETWORKS:
        if names and name not in names:
            continue
        rows.append(cover(name, generation))
        print(json.dumps(rows[-1].to_dict()), file=sys.stderr, flush=True)
        for file in files:
            Path(file).write_text(json.dumps([r.to_dict() for r in rows], indent=1))
    rich.console.Console(width=240).print(table(rows))
    return 0 if rows and all(row.is_green for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
