"""Clustering: TF-MOT's weight sharing, layer by layer, checked and stripped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow_model_optimization.python.core.clustering.keras import cluster_wrapper

from tfcompress.errors import InvalidArgumentError, TrainingError
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.quantization.kept_weights import Kept, kept_weights
from tfcompress.quantization.operators import kernel_of
from tfcompress.quantization.shared_values import MAX_VALUES, WeightCounts, by_channel
from tfcompress.rewriting.affine import read_affine
from tfcompress.rewriting.float32 import float32_policy, in_float32
from tfcompress.rewriting.graph import Graph
from tfcompress.rewriting.positive_gammas import make_gammas_positive
from tfcompress.rewriting.prepare import prepare_for_quantization
from tfcompress.run import Run
from tfcompress.stages.stage import check_not_quantized, select_layers
from tfcompress.training.fit import Fit
from tfcompress.training.loop import train

_NUM_SAMPLES = 4096
_KINDS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Dense)
# What TF-MOT does not list, or lists as not to be clustered.
for _kind in (GroupedConv2D, keras.layers.DepthwiseConv2D):
    tfmot.clustering.keras.ClusterableLayer.register(_kind)


@dataclass(frozen=True, kw_only=True)
class Clustering(Fit):
    """Gives the weights of each kernel a few values that they share.

    Few values make the compressed file smaller; LiteRT does not run faster for them.
    They are kept by `QuantizationAware` and by int8 export without it; in files of
    other kinds a BatchNormalization is folded in, which multiplies them.

    Args:
      num_clusters: different values in a kernel, zero among them, in [2, 255].
      initialization: where the values are at first, by TF-MOT's names:
        `kmeans_plus_plus`, `density_based`, `linear` or `random`.
      per_channel: whether each output channel of a two-dimensional convolution has
        `num_clusters` values of its own. A layer of which a channel has no more
        weights than that (zeros not counted) shares them in the whole.
      preserve_sparsity: whether weights that are zero stay zero; in a kernel with
        zeros they are one of the clusters, of which TF-MOT then wants 3.
      layers: shell-style patterns of the layers to cluster; `*` takes every
        convolution and dense layer.
      exclude: patterns of layers to leave as they are.
      depthwise: whether depthwise kernels can be clustered as well. They hold few of a
        net's weights, and it misses each of them.
      epochs: 0 clusters once, without training.

    Raises:
      InvalidArgumentError: a value out of range, no layer to cluster, or zeros or
        clusters of an earlier stage in a layer that this one leaves out.
      TrainingError: a kernel came out with more values or fewer zeros than promised.

    Example:
      >>> model = tfc.Clustering(num_clusters=16, epochs=1)(model, run)

    References:
      Han et al., Deep Compression, arXiv:1510.00149, section 3.
    """

    num_clusters: int = 16
    initialization: Literal["kmeans_plus_plus", "density_based", "linear", "random"] = (
        "kmeans_plus_plus"
    )
    per_channel: bool = False
    preserve_sparsity: bool = True
    layers: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    depthwise: bool = False

    provides: ClassVar[frozenset[str]] = frozenset({"clusters"})
    destroys: ClassVar[frozenset[str]] = frozenset({"quantization"})

    def __post_init__(self) -> None:
        """Checks the values that `Fit` does not know."""
        super().__post_init__()
        if not 2 <= self.num_clusters <= MAX_VALUES:
            self._refuse(
                "num_clusters", f"from 2 to {MAX_VALUES}, as many as int8 has."
            )

    def check(self, model: keras.Model) -> None:
        """Raises InvalidArgumentError if a layer that is named cannot be clustered."""
        select_layers(model, self.layers, self.suits, self.exclude)

    def suits(self, layer: keras.layers.Layer) -> bool:
        """Returns whether the layer has a kernel that this stage can cluster."""
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            return self.depthwise
        return isinstance(layer, _KINDS) and kernel_of(layer) is not None

    @float32_policy()
    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a clustered plain copy of `model`, without TF-MOT's wrappers."""
        check_not_quantized(model)
        chosen = select_layers(model, self.layers, self.suits, self.exclude)
        skipped = self._skipped(model, chosen)
        names = [name for name in chosen if name not in skipped]
        if not names:
            raise InvalidArgumentError(
                f"no layer of {model.name!r} can be clustered; {chosen[0]!r}: "
                f"{skipped[chosen[0]]}"
            )
        kept = kept_weights(model)
        self._check_rest_stays(kept, names)
        graph = Graph.from_model(model)
        make_gammas_positive(graph, names)
        tf.random.set_seed(run.stage_seed)
        wrapped = self._wrap(in_float32(graph.to_model()), names)
        train(wrapped, run, self)
        clustered = graph.to_model()
        stripped = tfmot.clustering.keras.strip_clustering(wrapped)
        clustered.set_weights(stripped.get_weights())
        run.note(
            num_clusters=self.num_clusters,
            layers={
                wrapper.layer.name: self._check(wrapper, clustered, kept)
                for wrapper in wrapped.layers
                if isinstance(wrapper, cluster_wrapper.ClusterWeights)
            },
            skipped=skipped,
        )
        return clustered

    def _wrap(self, model: keras.Model, names: list[str]) -> keras.Model:
        """Returns a model over the same layers, those that are named in wrappers."""
        initialization = tfmot.clustering.keras.CentroidInitialization

        def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
            found = kernel_of(layer)
            if found is None or layer.name not in names:
                return layer
            name, kernel = found[0], _kernel(layer)
            # What TF-MOT asks of layers that are not in its own list.
            layer.get_clusterable_weights = lambda: [(name, getattr(layer, name))]
            layer.get_clusterable_algorithm = lambda name: None
            return cluster_wrapper.ClusterWeights(
                layer,
                number_of_clusters=self._num_values(kernel),
                cluster_centroids_init=initialization[self.initialization.upper()],
                preserve_sparsity=self._keeps_zeros(kernel),
                cluster_per_channel=self._by_channel(layer, kernel),
            )

        return keras.models.clone_model(model, clone_function=wrap)

    def _num_values(self, kernel: np.ndarray) -> int:
        """Returns how many clusters a kernel gets: no more than it has values."""
        # Of millions of weights the first few tell.
        if np.unique(kernel.ravel()[:_NUM_SAMPLES]).size >= self.num_clusters:
            return self.num_clusters
        return min(self.num_clusters, np.unique(kernel).size)

    def _keeps_zeros(self, kernel: np.ndarray) -> bool:
        return self.preserve_sparsity and bool(np.any(kernel == 0))

    def _by_channel(self, layer: keras.layers.Layer, kernel: np.ndarray) -> bool:
        """Returns whether each channel of a layer has values of its own."""
        if not self.per_channel or kernel_of(layer) != ("kernel", 1):
            return False
        columns = by_channel(kernel, 1)
        if self._keeps_zeros(kernel):
            return bool((columns != 0).sum(axis=0).min() >= self.num_clusters)
        return len(columns) > self.num_clusters

    def _skipped(self, model: keras.Model, names: list[str]) -> dict[str, str]:
        """Returns why layers with a kernel are left as they are, by name."""
        prepared = _prepared_kernels(model)
        reasons = {}
        for layer in model.layers:
            if kernel_of(layer) is None:
                continue
            kernel, name = _kernel(layer), layer.name
            num_values = self._num_values(kernel)
            if name not in names:
                reasons[name] = _why_not_chosen(layer)
            elif not _is_multiple(prepared.get(name), kernel):
                reasons[name] = (
                    "int8 folds into this kernel what scales its channels, which would "
                    "multiply its values"
                )
            elif num_values < 2 + self._keeps_zeros(kernel):
                reasons[name] = "it takes 2 clusters, and 3 where zeros are to stay"
            elif num_values == kernel.size:
                reasons[name] = "it has no more weights than there are clusters"
        return reasons

    def _check_rest_stays(self, kept: Mapping[str, Kept], names: list[str]) -> None:
        """Refuses to lose zeros or clusters of layers that are not clustered."""
        for name in kept if self.epochs else ():
            if name not in names:
                raise InvalidArgumentError(
                    f"layer {name!r} has zeros or clusters of an earlier stage, which "
                    "training would undo; add it to Clustering.layers (depthwise "
                    "kernels by depthwise=True), or cluster with epochs=0"
                )

    def _check(
        self,
        wrapper: cluster_wrapper.ClusterWeights,
        clustered: keras.Model,
        kept: Mapping[str, Kept],
    ) -> int:
        """Returns how many values a layer shares, or raises if it breaks a promise."""
        name = wrapper.layer.name
        kernel = _kernel(clustered.get_layer(name))
        counts = WeightCounts.of(kernel, int(wrapper.cluster_per_channel))
        num_values = counts.num_channel_values
        if num_values > self.num_clusters:
            raise TrainingError(
                f"clustering left {num_values} values in layer {name!r}, more than "
                f"num_clusters={self.num_clusters}; exclude the layer"
            )
        before = kept[name].counts if name in kept else counts
        if self.preserve_sparsity and counts.num_zeros < before.num_zeros:
            raise TrainingError(
                f"clustering left {counts.num_zeros} of {before.num_zeros} zeros in "
                f"layer {name!r}; lower its learning rate, or exclude the layer"
            )
        return num_values


def explain(model: keras.Model) -> dict[str, str]:
    """Returns whether each layer with a kernel can be clustered, by name.

    Returns:
      `yes`, what it takes, or `no: ` and the reason.

    Example:
      >>> explain(model)["block_1_depthwise"]
      'yes, with depthwise=True'
    """
    stage = Clustering(depthwise=True)
    chosen = [layer.name for layer in model.layers if stage.suits(layer)]
    skipped = stage._skipped(model, chosen)
    answers = {}
    for layer in model.layers:
        if reason := skipped.get(layer.name):
            answers[layer.name] = f"no: {reason}"
        elif layer.name in chosen:
            needs = isinstance(layer, keras.layers.DepthwiseConv2D)
            answers[layer.name] = "yes, with depthwise=True" if needs else "yes"
    return answers


def _kernel(layer: keras.layers.Layer) -> np.ndarray:
    found = kernel_of(layer)
    assert found is not None
    kernel: np.ndarray = getattr(layer, found[0]).numpy()
    return kernel


def _why_not_chosen(layer: keras.layers.Layer) -> str:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return "depthwise kernels are clustered with depthwise=True"
    if not isinstance(layer, _KINDS):
        return f"kernels of {type(layer).__name__} are not clustered"
    return "not chosen"


def _prepared_kernels(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns what int8 makes of each kernel before it is rounded, by layer."""
    graph = Graph.from_model(model)
    for node in graph.nodes:
        if node.spec.weights and read_affine(node):
            # Different by channel, as training makes them.
            node.spec.weights = [
                np.arange(1, w.size + 1, dtype=np.float32).reshape(w.shape)
                for w in node.spec.weights
            ]
    prepare_for_quantization(graph)
    return {
        node.name: node.spec.weights[0] for node in graph.nodes if node.spec.weights
    }


def _is_multiple(kernel: np.ndarray | None, original: np.ndarray) -> bool:
    """Returns whether a kernel is another one times a number."""
    if kernel is None or kernel.size != original.size:
        return False
    kernel, original = kernel.ravel(), original.ravel()
    largest = np.argmax(np.abs(original))
    factor = kernel[largest] / (original[largest] or 1.0)
    return np.allclose(kernel, factor * original, rtol=1e-4, atol=1e-9)
