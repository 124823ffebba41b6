"""How layers that keep channels apart couple them: one by one, or several tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tf_keras as keras

from tfcompress.channels.coupling import Call, Channels, Coupling, WallError
from tfcompress.channels.cut import OUT, Cut, resized, take
from tfcompress.channels.kernels import MIXES_CHANNELS, check_activation
from tfcompress.layers.divide import Divide
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.layers.tanh_gelu import TanhGelu
from tfcompress.rewriting.graph import LayerSpec
from tfcompress.rewriting.training_only import TRAINING_ONLY

_layers = keras.layers
# One value of the output comes of one value of the input, wherever the channels lie.
POINTWISE = (
    *(_layers.ReLU, _layers.LeakyReLU, _layers.ELU, _layers.ThresholdedReLU),
    *(_layers.PReLU, HardSwish, HardSigmoid, TanhGelu),
    *(_layers.Identity, *TRAINING_ONLY),
)
MERGES = (
    *(_layers.Add, _layers.Average, _layers.Maximum, _layers.Minimum),
    *(_layers.Multiply, _layers.Subtract, Divide),
)


def couple_pointwise(coupling: Coupling, call: Call) -> Channels:
    """Couples a layer that takes each value by itself."""
    return call.given


def couple_activation(coupling: Coupling, call: Call) -> Channels:
    """Couples an Activation layer, which may be a softmax over the channels."""
    is_softmax = call.layer.activation is keras.activations.softmax
    if not (is_softmax and call.given.axis != call.last):
        check_activation(call.layer)
    return call.given


def couple_softmax(coupling: Coupling, call: Call) -> Channels:
    """Couples a Softmax layer: over the channels it reads them all."""
    if call.given.axis in call.axes(call.layer.axis):
        raise MIXES_CHANNELS
    return call.given


def couple_merge(coupling: Coupling, call: Call) -> Channels:
    """Couples tensors that are added or multiplied: their channels, place by place.

    A tensor of one channel is stretched over those of the others, and is kept.
    """
    wide = [given for given in call.inputs if given.size > 1] or call.inputs
    # Keras lines tensors of fewer axes up from behind, as numpy does.
    axes = {
        given.axis + len(call.output_shape) - len(shape)
        for given, shape in zip(call.inputs, call.input_shapes, strict=True)
    }
    if len(axes) > 1 or len({given.size for given in wide}) > 1:
        raise WallError("joins tensors that have their channels on different axes")
    for given in call.inputs:
        if given.size < wide[0].size:
            coupling.freeze(given.ids, f"{call.node.name} stretches a single channel")
    for given in wide[1:]:
        coupling.tie(wide[0].ids, given.ids)
    return Channels(axes.pop(), wide[0].ids)


def couple_batch_normalization(coupling: Coupling, call: Call) -> Channels:
    """Couples a BatchNormalization: per channel, on the axis of the channels."""
    if call.axes(call.layer.axis) != [call.given.axis]:
        raise WallError("normalizes another axis than that of the channels")
    return call.given


def couple_last(coupling: Coupling, call: Call) -> Channels:
    """Couples a layer with a factor for each place of the last axis."""
    call.need_last()
    return call.given


def cut_vectors(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a BatchNormalization with the statistics of the channels kept."""
    return resized(spec, [take(w, (OUT,), output, output) for w in spec.weights or []])


def cut_layer_scale(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns ConvNeXt's LayerScale with the factors of the channels kept."""
    weights = [take(w, (OUT,), output, output) for w in spec.weights or []]
    return resized(spec, weights, projection_dim=len(output.kept))


def cut_prelu(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a PReLU with the slopes of the channels kept."""
    (slopes,) = spec.weights or []
    if slopes.shape[output.axis] == 1:
        return spec
    return resized(spec, [np.take(slopes, output.kept, output.axis)])


def cut_rescaling(spec: LayerSpec, inputs: Sequence[Cut], output: Cut) -> LayerSpec:
    """Returns a Rescaling with the factors of the channels kept."""
    config = {}
    for name in ("scale", "offset"):
        values = np.asarray(getattr(spec.layer, name))
        if values.size > 1:
            config[name] = np.take(values, output.kept, -1).tolist()
    return resized(spec, [], **config)
