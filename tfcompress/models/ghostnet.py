"""GhostNet: inverted residuals whose convolutions are ghost modules."""

from __future__ import annotations

import tf_keras as keras

from tfcompress.models import arguments, blocks, channel_blocks

_STEM_FILTERS = 16
_HEAD_FILTERS = 960
_HEAD_UNITS = 1280
# Expanded channels, filters, kernel size, stride, squeeze-and-excite: table 1 of the
# paper.
_STAGES = (
    (16, 16, 3, 1, False),
    (48, 24, 3, 2, False),
    (72, 24, 3, 1, False),
    (72, 40, 5, 2, True),
    (120, 40, 5, 1, True),
    (240, 80, 3, 2, False),
    (200, 80, 3, 1, False),
    (184, 80, 3, 1, False),
    (184, 80, 3, 1, False),
    (480, 112, 3, 1, True),
    (672, 112, 3, 1, True),
    (672, 160, 5, 2, True),
    (960, 160, 5, 1, False),
    (960, 160, 5, 1, True),
    (960, 160, 5, 1, False),
    (960, 160, 5, 1, True),
)


def ghostnet(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
    num_halvings: int | None = None,
) -> keras.Model:
    """Builds GhostNet; 5,204,476 parameters at the defaults.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`), 28x28 ends at 4x4.
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 4. The last
        dense layer but one keeps 1280.
      dropout: fraction in [0, 1) dropped before the last layer; the paper has 0.2.
      num_halvings: strides of 2 to keep, in [0, 5]; None keeps what the input fits.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.ghostnet((28, 28, 1), 10, alpha=0.5)

    References:
      Han et al., "GhostNet" (arXiv:1911.11907), table 1.
    """
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    stem_strides, *strides = arguments.fitted_strides(
        [2, *(stage[3] for stage in _STAGES)], input_shape, num_halvings
    )
    inputs = keras.Input(input_shape, name="image")
    num_channels = arguments.scaled_channels(_STEM_FILTERS, alpha, 4)
    x = blocks.standard(inputs, num_channels, 3, stem_strides, "stem")
    for index, (expanded, filters, kernel_size, stride, excites) in enumerate(_STAGES):
        num_expanded = arguments.scaled_channels(expanded, alpha, 4)
        settings = channel_blocks.GhostBottleneck(
            num_expanded,
            arguments.scaled_channels(filters, alpha, 4),
            halves=stride == 2,
            kernel_size=kernel_size,
            squeeze=arguments.scaled_channels(num_expanded, 0.25, 4) if excites else 0,
        )
        name = f"block{index + 1:02d}"
        x = channel_blocks.ghost_bottleneck(x, settings, strides[index], name)
    num_channels = arguments.scaled_channels(_HEAD_FILTERS, alpha, 4)
    x = blocks.standard(x, num_channels, 1, 1, "head")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(
        _HEAD_UNITS, kernel_initializer="he_normal", name="head_dense"
    )(x)
    x = blocks.activation(x, "head_dense", "relu")
    outputs = blocks.dense_logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name="ghostnet")
