"""Which layers mind int8 most: one at a time is rounded, and the outputs compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tfcompress.data.calibration import with_validation_sample
from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import InvalidArgumentError
from tfcompress.loading.live import is_quantized
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.quantization.quantizers import WeightQuantizer
from tfcompress.quantization.strip import output_bounds
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.rewriting.forward import call_layer, forward
from tfcompress.rewriting.graph import Graph, Node
from tfcompress.sensitivity.quantization_errors import call_in_float
from tfcompress.sensitivity.text_table import text_table

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_BATCH_SIZE = 128
_Batch = tuple[tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class LayerSensitivity:
    """What the model loses if this operator alone is int8.

    Args:
      layers: names of the layers that are one operator of the runtime, such as a
        convolution, its BatchNormalization and its ReLU.
      kl: mean over images of the Kullback-Leibler divergence of the outputs'
        probabilities from those of the float model, in nats, 0 or more.
      top1: accuracy, in [0, 1].
      num_weights: of its kernel; 0 where it has none.
    """

    layers: tuple[str, ...]
    kl: float
    top1: float
    num_weights: int


@dataclass(frozen=True)
class QuantizationSensitivity:
    """How much each layer minds int8.

    Args:
      model: its name.
      num_images: of the validation split, on which it was measured.
      top1: accuracy of the float model on these, in [0, 1].
      int8_top1: accuracy with all layers in int8.
      rows: operators in the model's order; the first is the input.
    """

    model: str
    num_images: int
    top1: float
    int8_top1: float
    rows: tuple[LayerSensitivity, ...]

    def most_sensitive(self) -> tuple[str, ...]:
        """Returns the layers with kernels by their divergence, the largest first."""
        kernels = [row for row in self.rows if row.num_weights]
        ordered = sorted(kernels, key=lambda row: -row.kl)
        return tuple(row.layers[0] for row in ordered)

    def __str__(self) -> str:
        """Returns both accuracies, and a table of the ten largest divergences."""
        worst = sorted(self.rows, key=lambda row: -row.kl)[:10]
        cells = [(row.layers[0], f"{row.kl:.2g}", f"{row.top1:.2%}") for row in worst]
        return (
            f"top-1 {self.top1:.2%} in float, {self.int8_top1:.2%} in int8, on "
            f"{self.num_images:,} images; with one operator alone in int8:\n"
            + text_table(("begins with layer", "KL", "top-1"), cells)
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """Returns `to_dict` as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def quantization_sensitivity(
    model: keras.Model,
    data: Dataset,
    calibration: Calibration | None = None,
    keep_float: Sequence[str] = (),
    num_images: int = 512,
    seed: int = 0,
) -> QuantizationSensitivity:
    """Rounds one operator at a time to int8, and measures what that does.

    Nothing is trained, and the model stays as it is.

    Args:
      model: a canonical model with logits, as `load_model` returns it.
      data: ranges are calibrated on its training split, and the outputs compared on
        its validation split.
      calibration: how the ranges are chosen; None for the defaults.
      keep_float: patterns of layers that compute in float; they are left out.
      num_images: to compare on, evenly of all classes; all if there are fewer.
      seed: of the choice of images.

    Raises:
      InvalidArgumentError: no images.
      ModelError: the model does not fit the data, or has a layer without an int8
        operator.

    Example:
      >>> tfc.quantization_sensitivity(model, data).most_sensitive()[:3]

    References:
      Dong et al., HAWQ, arXiv:1905.03696, for the idea to rank layers; the divergence
      as in Cai et al., ZeroQ, arXiv:2001.00281, equation 5.
    """
    if num_images < 1:
        raise InvalidArgumentError(
            f"quantization_sensitivity num_images={num_images}; expected 1 or more"
        )
    check_tf_keras(model)
    check_model_fits(model, data)
    calibration = calibration or Calibration()
    shown = data.calibration(calibration.num_images, seed).images
    quantized = quantize_calibrated(model, shown, calibration, keep_float=keep_float)
    return operator_sensitivity(quantized, data, num_images, seed)


def operator_sensitivity(
    quantized: keras.Model, data: Dataset, num_images: int, seed: int
) -> QuantizationSensitivity:
    """Measures what `quantization_sensitivity` returns.

    Args:
      quantized: calibrated, of all operators in int8 that are to be measured.
      data: the outputs are compared on its validation split.
      num_images: to compare on, evenly of all classes; all if there are fewer.
      seed: of the choice of images.
    """
    part = with_validation_sample(data, num_images, seed)
    batches = list(part.batches("validation", _BATCH_SIZE))
    graph = Graph.from_model(quantized)
    operators = list(_operators(graph))
    scan = _Scan(graph, operators, batches)
    rows = []
    for number, nodes in enumerate(operators):
        kl, top1 = scan.measure([number])
        weights = sum(int(np.prod(w.shape)) for node in nodes for w in _kernels(node))
        rows.append(LayerSensitivity(_names(nodes), kl, top1, weights))
    return QuantizationSensitivity(
        quantized.name,
        len(part.validation),
        scan.top1,
        scan.measure(range(len(operators)))[1],
        tuple(rows),
    )


def _operators(graph: Graph) -> Iterator[list[Node]]:
    """Yields the layers that round at the end of one operator, together."""
    seen: set[str] = set()
    for node in graph.nodes:
        if node.name in seen or not is_quantized([node.layer]):
            continue
        nodes, last = [node], node
        while output_bounds(last.layer) is None:
            after = graph.only_consumer(last.output)
            if after is None:
                break
            last = after
            nodes.append(last)
        seen |= {each.name for each in nodes}
        yield nodes


def _kernels(node: Node) -> list[tf.Variable]:
    kernels = getattr(node.layer, "_weight_vars", ())
    return [
        kernel for kernel, rounds, _ in kernels if isinstance(rounds, WeightQuantizer)
    ]


def _names(nodes: Sequence[Node]) -> tuple[str, ...]:
    # The layer that rounds the input of the model bears no name of the user's.
    first = nodes[0]
    if not hasattr(first.layer, "layer"):
        return (first.inputs[0].node.name,)
    return tuple(getattr(node.layer, "layer", node.layer).name for node in nodes)


class _Scan:
    """A quantized model of which any operators are rounded, compiled once.

    Attributes:
      top1: accuracy with none of them rounded.
    """

    def __init__(
        self,
        graph: Graph,
        operators: Sequence[Sequence[Node]],
        batches: Sequence[_Batch],
    ) -> None:
        self._graph, self._batches = graph, batches
        self._place = {
            node.name: number
            for number, nodes in enumerate(operators)
            for node in nodes
            if is_quantized([node.layer])
        }
        self._num_operators = len(operators)
        self._run = tf.function(self._outputs, autograph=False)
        self._exact = [self._logits(images, []) for images, _ in batches]
        labels = np.concatenate([labels for _, labels in batches])
        answers = np.concatenate([np.argmax(logits, -1) for logits in self._exact])
        self.top1 = float(np.mean(answers == labels))

    def measure(self, rounded: Sequence[int]) -> tuple[float, float]:
        """Returns divergence and accuracy with these operators rounded."""
        divergence, right, number = 0.0, 0, 0
        for (images, labels), exact in zip(self._batches, self._exact, strict=True):
            logits = self._logits(images, rounded)
            # Small divergences are lost in the differences of float32.
            expected, found = (
                tf.nn.log_softmax(tf.cast(x, tf.float64)) for x in (exact, logits)
            )
            divergence += float(tf.reduce_sum(tf.exp(expected) * (expected - found)))
            right += int(np.sum(np.argmax(logits, -1) == labels.numpy()))
            number += len(labels)
        # A divergence of nothing may come out a little below 0.
        return max(divergence / number, 0.0), right / number

    def _logits(self, images: tf.Tensor, rounded: Sequence[int]) -> tf.Tensor:
        mask = np.zeros(self._num_operators, bool)
        mask[list(rounded)] = True
        return self._run(images, tf.constant(mask))

    def _outputs(self, images: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        def call(node: Node, given: Any) -> tf.Tensor:
            if node.name not in self._place:
                return call_layer(node, given)
            return tf.cond(
                mask[self._place[node.name]],
                lambda: call_layer(node, given),
                lambda: call_in_float(node, given),
            )

        return forward(self._graph, images, call)[self._graph.outputs[0]]
