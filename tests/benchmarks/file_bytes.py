"""What kinds of bytes int8 files are made of, before and after slimming.

    python tests/benchmarks/file_bytes.py [--deep] [FILE.tflite ...]

Without files: networks in the style of MobileNetV1, V2 and ShuffleNetV2 of about
100,000 and 10,000 parameters, few layers of many channels, and the quickstart's; with
`--deep` also the architectures as published, so thin that they have as few. They are
built untrained, their weights are made realistic, and QuantizationAware only calibrates
them. `rest` is the share of the bytes that are neither weights nor biases, and `floor`
what it would be if only scales and zero points were left, which LiteRT demands: one of
each for every channel of weights and biases.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import flatbuffers
import numpy as np
import tf_keras as keras
from ai_edge_litert import schema_py_generated as schema

sys.path.insert(0, str(Path(__file__).parents[1]))

import realistic

import tfcompress as tfc
from tfcompress.models import blocks
from tfcompress.models.channel_blocks import channel_shuffle, channel_split
from tfcompress.quantization.apply import fake_quantize
from tfcompress.quantization.calibration import calibrate

SHAPE, NUM_CLASSES = (28, 28, 1), 10
COLUMNS = (
    *("weights", "biases", "scales", "zero points", "min/max", "names", "shapes"),
    *("tensors", "operators", "buffers", "metadata", "other", "padding"),
)


class ByteMap:
    """The kind of every byte of a flatbuffer; what nothing refers to is padding."""

    def __init__(self, content):
        self._content = content = bytearray(content)
        self._base = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
        self._kinds = np.zeros(len(content), np.uint8)
        self._names = ["padding"]
        self._mark("tables", 0, 8)
        self._model(schema.Model.GetRootAs(content, 0))

    def counts(self):
        """Returns bytes by kind."""
        numbers = np.bincount(self._kinds, minlength=len(self._names))
        return Counter(dict(zip(self._names, map(int, numbers), strict=True)))

    def _mark(self, kind, start, stop):
        if kind not in self._names:
            self._names.append(kind)
        span = self._kinds[start:stop]
        span[span == 0] = self._names.index(kind)

    def _table(self, kind, table):
        """Marks a table and, as `vtables`, the description that it shares."""
        tab = getattr(table, "_tab", table)
        flags = flatbuffers.number_types
        vtable = tab.Pos - tab.Get(flags.SOffsetTFlags, tab.Pos)
        length = tab.Get(flags.VOffsetTFlags, vtable)
        self._mark("vtables", vtable, vtable + length)
        size = tab.Get(flags.VOffsetTFlags, vtable + 2)
        self._mark(kind, tab.Pos, tab.Pos + size)

    def _vector(self, kind, values):
        """Marks a vector of numbers, a view of the content, and its length."""
        if isinstance(values, np.ndarray):
            start = values.__array_interface__["data"][0] - self._base
            if not values.size:
                return
            self._mark(kind, start - 4, start + values.nbytes)

    def _reference(self, kind, table, slot, item_bytes, extra=0):
        """Marks a string or a vector of tables, by its place in the schema."""
        tab = table._tab
        if offset := tab.Offset(4 + 2 * slot):
            start = tab.Vector(offset)
            length = tab.VectorLen(offset) * item_bytes
            self._mark(kind, start - 4, start + length + extra)

    def _model(self, model):
        self._table("tables", model)
        for slot in (1, 2, 4, 6, 7):
            self._reference("tables", model, slot, 4)
        self._reference("metadata", model, 3, 1, extra=1)
        for index in range(model.OperatorCodesLength()):
            self._table("op codes", model.OperatorCodes(index))
        for index in range(model.MetadataLength()):
            self._metadata(model, model.Metadata(index))
        biases = self._graphs(model)
        for index in range(model.BuffersLength()):
            buffer = model.Buffers(index)
            self._table("buffers", buffer)
            self._vector(biases.get(index, "constants"), buffer.DataAsNumpy())

    def _metadata(self, model, metadata):
        self._table("metadata", metadata)
        self._reference("metadata", metadata, 0, 1, extra=1)
        buffer = model.Buffers(metadata.Buffer())
        self._table("metadata", buffer)
        self._vector("metadata", buffer.DataAsNumpy())

    def _graphs(self, model):
        """Marks all graphs; returns the kind of each buffer that holds parameters."""
        kinds = {}
        for number in range(model.SubgraphsLength()):
            graph = model.Subgraphs(number)
            self._table("tables", graph)
            self._reference("tables", graph, 0, 4)
            self._reference("tables", graph, 3, 4)
            self._reference("names", graph, 4, 1, extra=1)
            self._vector("operators", graph.InputsAsNumpy())
            self._vector("operators", graph.OutputsAsNumpy())
            for index in range(graph.TensorsLength()):
                tensor = graph.Tensors(index)
                self._tensor(tensor)
                quantization = tensor.Quantization()
                if quantization and quantization.ScaleLength():
                    is_bias = tensor.Type() == schema.TensorType.INT32
                    kinds[tensor.Buffer()] = "biases" if is_bias else "weights"
            for index in range(graph.OperatorsLength()):
                self._operator(graph.Operators(index))
        return kinds

    def _tensor(self, tensor):
        self._table("tensors", tensor)
        self._reference("names", tensor, 3, 1, extra=1)
        self._vector("shapes", tensor.ShapeAsNumpy())
        self._vector("shapes", tensor.ShapeSignatureAsNumpy())
        if quantization := tensor.Quantization():
            self._table("tensors", quantization)
            self._vector("scales", quantization.ScaleAsNumpy())
            self._vector("zero points", quantization.ZeroPointAsNumpy())
            self._vector("min/max", quantization.MinAsNumpy())
            self._vector("min/max", quantization.MaxAsNumpy())

    def _operator(self, operator):
        self._table("operators", operator)
        self._vector("operators", operator.InputsAsNumpy())
        self._vector("operators", operator.OutputsAsNumpy())
        if options := operator.BuiltinOptions():
            self._table("operators", options)
            new_shape = schema.BuiltinOptions.ReshapeOptions
            if operator.BuiltinOptionsType() == new_shape:
                reshape = schema.ReshapeOptions()
                reshape.Init(options.Bytes, options.Pos)
                self._vector("operators", reshape.NewShapeAsNumpy())


def mobilenet_v1_style(filters, strides):
    """A convolution, and depthwise-separable blocks of as many filters."""
    inputs = keras.Input(SHAPE, name="image")
    x = blocks.standard(inputs, filters, 3, 2, "stem", "relu6")
    for index, stride in enumerate(strides):
        x = blocks.depthwise_separable(x, filters, stride, f"block{index + 1:02d}")
    outputs = blocks.logits(x, NUM_CLASSES, 0)
    return keras.Model(inputs, outputs, name="mobilenet_v1")


def mobilenet_v2_style(filters, strides):
    """A convolution, and inverted residuals that expand twofold."""
    inputs = keras.Input(SHAPE, name="image")
    x = blocks.standard(inputs, filters, 3, 2, "stem", "relu6")
    for index, stride in enumerate(strides):
        settings = blocks.InvertedResidual(2 * filters, filters, stride)
        x = blocks.inverted_residual(x, settings, f"block{index + 1:02d}")
    outputs = blocks.logits(x, NUM_CLASSES, 0)
    return keras.Model(inputs, outputs, name="mobilenet_v2")


def shufflenet_v2_style(stem, half, num_units, head):
    """A convolution, a unit that halves the sides, units that keep them, a 1x1."""
    inputs = keras.Input(SHAPE, name="image")
    x = blocks.standard(inputs, stem, 3, 2, "stem")
    kept = blocks.depthwise_norm(x, 2, "unit1_shortcut_depthwise")
    kept = blocks.standard(kept, half, 1, 1, "unit1_shortcut_pointwise")
    for index in range(num_units):
        name, strides = f"unit{index + 1}", 1 if index else 2
        if index:
            kept, x = channel_split(x, name)
        x = blocks.standard(x, half, 1, 1, f"{name}_reduce")
        x = blocks.depthwise_norm(x, strides, f"{name}_depthwise")
        x = blocks.standard(x, half, 1, 1, f"{name}_expand")
        x = keras.layers.Concatenate(name=f"{name}_concat")([kept, x])
        x = channel_shuffle(x, 2, name)
    x = blocks.standard(x, head, 1, 1, "head")
    outputs = blocks.logits(x, NUM_CLASSES, 0)
    return keras.Model(inputs, outputs, name="shufflenet_v2")


NETWORKS = {
    "MobileNetV1-style 100k": lambda: mobilenet_v1_style(128, (1, 2, 1, 2, 1)),
    "MobileNetV2-style 100k": lambda: mobilenet_v2_style(88, (2, 1, 2)),
    "ShuffleNetV2-style 100k": lambda: shufflenet_v2_style(24, 128, 2, 128),
    "MobileNetV1-style 10k": lambda: mobilenet_v1_style(64, (2, 2)),
    "MobileNetV2-style 10k": lambda: mobilenet_v2_style(44, (2,)),
    "ShuffleNetV2-style 10k": lambda: shufflenet_v2_style(24, 48, 1, 64),
    "quickstart": lambda: tfc.models.mobilenet_v1(
        SHAPE, NUM_CLASSES, num_blocks=7, num_halvings=4
    ),
}
DEEP_NETWORKS = {
    "MobileNetV1 x0.16": lambda: tfc.models.mobilenet_v1(SHAPE, 10, alpha=0.16),
    "MobileNetV2 x0.1": lambda: tfc.models.mobilenet_v2(SHAPE, 10, alpha=0.1),
    "ShuffleNetV2 x0.13": lambda: tfc.models.shufflenet_v2(SHAPE, 10, alpha=0.13),
    "MobileNetV1 x0.05": lambda: tfc.models.mobilenet_v1(SHAPE, 10, alpha=0.05),
}


def export(model, path):
    """Writes the int8 file of an untrained network as the converter leaves it."""
    pictures = realistic.pictures(8, SHAPE)
    realistic.make_realistic(model, pictures)
    quantized = fake_quantize(model)
    calibrate(quantized, pictures)
    tfc.export_tflite(quantized, path, slim=False)


def print_rows(name, before, after):
    """Prints what two files consist of, and how much smaller the second is."""
    for label, content in (("before", before), ("after", after)):
        counts = ByteMap(content).counts()
        counts["other"] = sum(counts[kind] for kind in counts if kind not in COLUMNS)
        parameters = counts["weights"] + counts["biases"]
        needed = parameters + counts["scales"] + counts["zero points"]
        cells = "".join(f"{counts[kind]:>9}" for kind in COLUMNS)
        shares = f"{1 - parameters / len(content):>8.1%}"
        if content is after:
            shares += f"{1 - parameters / needed:>8.1%}"
            shares += f"{1 - len(after) / len(before):>9.1%}"
        print(f"{name:24}{label:7}{len(content):>8}{cells}{shares}", flush=True)


def main():
    """Prints two rows for each network or file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.tflite")
    parser.add_argument("--deep", action="store_true", help="also the deep ones")
    arguments = parser.parse_args()
    titles = "".join(f"{kind.replace('zero points', 'zeros'):>9}" for kind in COLUMNS)
    print(f"{'':31}{'file':>8}{titles}{'rest':>8}{'floor':>8}{'smaller':>9}")
    networks = {} if arguments.files else NETWORKS
    if arguments.deep:
        networks = {**networks, **DEEP_NETWORKS}
    with tempfile.TemporaryDirectory() as folder:
        files = {path.stem[:23]: path for path in arguments.files}
        for number, (name, make) in enumerate(networks.items()):
            keras.utils.set_random_seed(0)
            files[name] = Path(folder) / f"{number}.tflite"
            export(make(), files[name])
        for name, path in files.items():
            slimmed = Path(folder) / "slimmed.tflite"
            tfc.slim_tflite(path, slimmed)
            print_rows(name, path.read_bytes(), slimmed.read_bytes())


if __name__ == "__main__":
    main()
