"""VGG-16: the heavy baseline."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.models import arguments, blocks

# Filters and number of the 3x3 convolutions of each stage: configuration D.
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
_DENSE_UNITS = 4096


def vgg16(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds VGG-16; 138,357,544 parameters at the defaults.

    It has no batch normalisation: train it with a small learning rate, or start from
    trained weights.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose the first poolings (`arguments.fitted_strides`), 28x28 ends at 4x4. The
        first dense layer sees the whole last map: its weights depend on the input size.
      num_classes: at least 2.
      alpha: width multiplier above 0 of all layers but the last; channels are rounded
        to multiples of 8.
      dropout: fraction in [0, 1) dropped before each of the last two layers; the paper
        has 0.5.
      num_halvings: poolings to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.vgg16((32, 32, 3), 10, alpha=0.25, dropout=0.5)

    References:
      Simonyan & Zisserman, "Very Deep Convolutional Networks" (arXiv:1409.1556),
      table 1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    strides = arguments.fitted_strides([2] * len(_STAGES), input_shape, num_halvings)
    inputs = x = keras.Input(input_shape, name="image")
    for stage, (filters, num_convolutions) in enumerate(_STAGES):
        num_channels = arguments.scaled_channels(filters, alpha)
        for index in range(num_convolutions):
            name = f"stage{stage + 1}_{index + 1}"
            x = blocks.conv(x, num_channels, 3, 1, name, use_bias=True)
            x = blocks.activation(x, name, "relu")
        if strides[stage] == 2:
            x = keras.layers.MaxPooling2D(
                2, padding="same", name=f"stage{stage + 1}_pool"
            )(x)
    x = keras.layers.Flatten(name="flat")(x)
    num_units = arguments.scaled_channels(_DENSE_UNITS, alpha)
    for name in ("dense1", "dense2"):
        if dropout and name == "dense2":
            x = keras.layers.Dropout(dropout, name="dense1_dropout")(x)
        x = keras.layers.Dense(num_units, kernel_initializer="he_normal", name=name)(x)
        x = blocks.activation(x, name, "relu")
    outputs = blocks.dense_logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="vgg16")
