"""How a tensor is rounded to int8 in the forward pass, by TF-MOT's `Quantizer`.

Two differences to TF-MOT's own. Activation ranges are set from images and then stay,
instead of moving with every batch: layers whose outputs meet can so share one range,
which the runtime demands of them. Weight ranges are computed from the weights at each
use instead of being stored: the converter folds them, and they are never stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tfcompress.quantization.shared_gradient import share
from tfcompress.quantization.shared_values import Sharing, find_leaders

NUM_BITS = 8
MIN_WIDTH = 1e-6  # of a range; what is narrower holds zeros only
# Biases are counted in steps of input times kernel: zeros get steps that leave room.
_ZEROS_WIDTH, _ZEROS_BOUND, _MIN_BOUND = 1.0, 0.25, 1e-9
_NUM_STEPS = 2**NUM_BITS - 1
_Observer = Callable[[str, tf.Tensor], None]
_observer: ContextVar[_Observer | None] = ContextVar("observer", default=None)
_frozen: ContextVar[bool] = ContextVar("frozen", default=False)


@contextmanager
def observing(observer: _Observer) -> Iterator[None]:
    """Makes activation quantizers pass values on, and tell `observer` of them.

    Args:
      observer: is called with the name of a range and a tensor that it must hold.
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def frozen_weights() -> Iterator[None]:
    """Makes the graphs that are traced meanwhile fit for the converter.

    It wants the range of a kernel to be a constant, and computes it from the weights
    only where these are few.
    """
    token = _frozen.set(True)
    try:
        yield
    finally:
        _frozen.reset(token)


class ActivationQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds to steps between two bounds that `calibrate` sets.

    Args:
      group: name of the range. Quantizers of one group get one range: their tensors
        meet in an operator that cannot rescale, such as a concatenation.
      ties_away: whether what lies half-way between two steps goes to the one farther
        from step 0, as in the runtime's average pooling, instead of up. Means of four
        integers are such ties one time in four.
      num_bits: 8, or 16 for steps from -32767 to 32767, symmetric about zero.
    """

    def __init__(self, group: str, ties_away: bool = False, num_bits: int = NUM_BITS):
        self.group = group
        self.ties_away = ties_away
        self.num_bits = num_bits

    @property
    def is_wide(self) -> bool:
        """Whether the runtime holds the tensor in int16."""
        return self.num_bits > NUM_BITS

    def build(self, tensor_shape: Any, name: str, layer: keras.layers.Layer) -> dict:
        """Returns the bounds, as weights of `layer` that are not trained."""
        del tensor_shape
        return {
            key: layer.add_weight(
                name=f"{name}_{key}",
                initializer=keras.initializers.Constant(value),
                trainable=False,
            )
            for key, value in (("min", -6.0), ("max", 6.0))
        }

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict, **kwargs: Any
    ) -> tf.Tensor:
        """Returns `inputs`, rounded; outside of the bounds the gradient is 0."""
        del training, kwargs
        if observer := _observer.get():
            observer(self.group, inputs)
            return inputs
        low, high = weights["min"], weights["max"]
        if self.ties_away and not _frozen.get():
            middle, nudge = (low + high) / 2, (high - low) * 1e-5
            inputs += tf.where(inputs <= middle, -nudge, nudge)
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs, low, high, self.num_bits, narrow_range=self.is_wide
        )

    def set_range(self, weights: dict, low: float, high: float) -> None:
        """Sets the bounds, in the `weights` that `build` returned, to hold both values.

        Args:
          weights: are changed in place.
          low: 0 or less.
          high: 0 or more.
        """
        high = high if high - low >= MIN_WIDTH else low + _ZEROS_WIDTH
        if self.is_wide:
            high = max(-low, high)
            low = -high
        weights["min"].assign(low)
        weights["max"].assign(high)

    def step(self, weights: dict) -> float:
        """Returns the size of a step, which is the scale of the tensor in the file."""
        num_steps = 2**self.num_bits - 1 - self.is_wide
        return float(weights["max"] - weights["min"]) / num_steps

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("group", "ties_away", "num_bits")
        return {name: getattr(self, name) for name in names}


class FixedRangeQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds to a range that is known, by demand of the runtime or by arithmetic.

    What lies outside is cut off, also while ranges are observed.

    Args:
      low: value of the step -128.
      high: value of the step 127.

    References:
      TFLite's 8-bit quantization specification: logistic and softmax give
      [0, 255/256], tanh gives [-1, 127/128].
    """

    def __init__(self, low: float, high: float):
        self.low = low
        self.high = high

    def build(self, tensor_shape: Any, name: str, layer: keras.layers.Layer) -> dict:
        """Returns nothing: there is nothing to store."""
        del tensor_shape, name, layer
        return {}

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict, **kwargs: Any
    ) -> tf.Tensor:
        """Returns `inputs`, rounded."""
        del training, weights, kwargs
        if _observer.get():
            return tf.clip_by_value(inputs, self.low, self.high)
        return tf.quantization.fake_quant_with_min_max_vars(
            inputs, self.low, self.high, NUM_BITS
        )

    def step(self, weights: dict) -> float:
        """Returns the size of a step; `weights` is empty."""
        del weights
        return (self.high - self.low) / _NUM_STEPS

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"low": self.low, "high": self.high}


class WeightKeeper(tfmot.quantization.keras.quantizers.Quantizer):
    """Keeps what earlier stages made of a kernel, and rounds nothing.

    Args:
      num_channel_axes: number of trailing axes that count the output channels: 1 for
        convolutions, 2 for depthwise ones (channel and multiplier), 0 where they do
        not matter.
      keep_zeros: whether weights that are zero are held there: nothing flows back to
        them, so training leaves them as they are.
      sharing: whether weights that are equal, in the whole layer or in each channel,
        stay equal: each is trained by the mean gradient of all of them.
    """

    def __init__(
        self,
        num_channel_axes: int,
        keep_zeros: bool = False,
        sharing: Sharing | None = None,
    ):
        self.num_channel_axes = num_channel_axes
        self.keep_zeros = keep_zeros
        self.sharing = sharing

    def build(self, tensor_shape: Any, name: str, layer: keras.layers.Layer) -> dict:
        """Returns which weights are equal; `set_sharing` fills it in."""
        if self.sharing is None:
            return {}
        leaders = layer.add_weight(
            name=f"{name}_leaders",
            shape=tensor_shape,
            dtype=tf.int32,
            initializer="zeros",
            trainable=False,
        )
        return {"leaders": leaders}

    def set_sharing(self, kernel: tf.Variable, weights: dict) -> None:
        """Makes weights that are equal now stay equal.

        Args:
          kernel: what is rounded.
          weights: what `build` returned.
        """
        if self.sharing:
            values = kernel.numpy()
            weights["leaders"].assign(
                find_leaders(values, self.num_channel_axes, self.sharing)
            )

    def shared(self, kernel: Any, weights: dict) -> tf.Tensor:
        """Returns the kernel with weights that must be equal made so."""
        kernel = tf.convert_to_tensor(kernel)
        return share(kernel, weights["leaders"]) if self.sharing else kernel

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict, **kwargs: Any
    ) -> tf.Tensor:
        """Returns the kernel."""
        del training, kwargs
        kernel = tf.convert_to_tensor(inputs)
        if _frozen.get():
            return kernel
        if self.keep_zeros:
            kernel *= tf.cast(tf.not_equal(kernel, 0.0), kernel.dtype)
        return self.shared(kernel, weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("num_channel_axes", "keep_zeros", "sharing")
        return {name: getattr(self, name) for name in names}


class WeightQuantizer(WeightKeeper):
    """Rounds a kernel to -127...127 steps, symmetric about zero.

    Each output channel has a scale of its own; where `num_channel_axes` is 0 there is
    one in all. Weights that are equal in the whole layer have one scale too, or they
    would differ as integers.
    """

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict, **kwargs: Any
    ) -> tf.Tensor:
        """Returns the kernel, rounded."""
        kernel = super().__call__(inputs, training, weights, **kwargs)
        if _frozen.get():
            with tf.init_scope():
                bound = self._bound(tf.convert_to_tensor(inputs))
            return self._round(kernel, bound)
        return self._round(kernel, self._bound(tf.stop_gradient(kernel)))

    def step(self, kernel: tf.Variable) -> np.ndarray:
        """Returns the size of a step, one for each output channel or one for all."""
        return self._bound(tf.convert_to_tensor(kernel)).numpy() / (_NUM_STEPS // 2)

    def _bound(self, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the largest absolute value, of each channel or of all."""
        axes = list(range(kernel.shape.rank - self.num_channel_axes))
        bound = tf.reshape(tf.reduce_max(tf.abs(kernel), axis=axes), [-1])
        if self.sharing == "layer":
            bound = tf.fill(tf.shape(bound), tf.reduce_max(bound))
        bound = tf.where(bound > _MIN_BOUND, bound, _ZEROS_BOUND)
        return bound if self.num_channel_axes else bound[0]

    def _round(self, kernel: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
        if not self.num_channel_axes:
            return tf.quantization.fake_quant_with_min_max_vars(
                kernel, -bound, bound, NUM_BITS, narrow_range=True
            )
        # The operator takes its channels from one axis, the last.
        flat = (*kernel.shape[: -self.num_channel_axes], bound.shape[0])
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            tf.reshape(kernel, flat), -bound, bound, NUM_BITS, narrow_range=True
        )
        return tf.reshape(rounded, kernel.shape)
