"""DS-CNN: a depthwise-separable net of some 20,000 parameters for microcontrollers."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.models import arguments, blocks

_FILTERS = 64
_NUM_BLOCKS = 4


def ds_cnn(
    input_shape: tuple[int, int, int] = (49, 10, 1),
    num_classes: int = 12,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds the DS-CNN of MLPerf Tiny; 24,908 parameters at the defaults.

    There it spots keywords in spectrograms of 49 windows by 10 coefficients; it takes
    small pictures as well. Its convolutions carry biases, as there.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8.
      dropout: fraction in [0, 1) dropped before the last layer; MLPerf Tiny has 0.4,
        and 0.2 after the first convolution.
      num_halvings: strides of 2 to keep, in [0, 1]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.ds_cnn((28, 28, 1), 10)

    References:
      Zhang et al., "Hello Edge" (arXiv:1711.07128), section 3.6; Banbury et al.,
      "MLPerf Tiny Benchmark" (arXiv:2106.07597), section 4.1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    (strides,) = arguments.fitted_strides([2], input_shape, num_halvings)
    num_channels = arguments.scaled_channels(_FILTERS, alpha)
    inputs = keras.Input(input_shape, name="image")
    x = blocks.conv_norm(inputs, num_channels, (10, 4), strides, "stem", use_bias=True)
    x = blocks.activation(x, "stem", "relu")
    for index in range(_NUM_BLOCKS):
        name = f"block{index + 1:02d}"
        x = blocks.depthwise_separable(x, num_channels, 1, name, "relu", use_bias=True)
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="ds_cnn")
