"""ResNets: 18, 34 and 50 for large images, 8, 20 and 56 for small ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from tfcompress.models import arguments, blocks

_Shape = tuple[int, int, int]


@dataclass(frozen=True)
class _Plan:
    """What tells one ResNet from another."""

    name: str
    depths: tuple[int, ...]
    filters: int
    strides: tuple[int, ...]
    stem_kernel: int = 3
    bottleneck: bool = False
    use_bias: bool = True
    norm_projection: bool = False


def _large(name: str, depths: tuple[int, ...], **options: Any) -> _Plan:
    strides = (2, 2, 1, 2, 2, 2)
    return _Plan(
        name, depths, 64, strides, stem_kernel=7, norm_projection=True, **options
    )


def _small(name: str, num_blocks: int) -> _Plan:
    return _Plan(name, (num_blocks,) * 3, 16, (1, 1, 1, 2, 2))


def _residual(x: Any, filters: int, strides: int, name: str, plan: _Plan) -> Any:
    if plan.bottleneck:
        y = blocks.bottleneck(x, filters, strides, name, plan.use_bias)
    else:
        y = blocks.conv_norm(x, filters, 3, strides, f"{name}_a", plan.use_bias)
        y = blocks.activation(y, f"{name}_a", "relu")
        y = blocks.conv_norm(y, filters, 3, 1, f"{name}_b", plan.use_bias)
    num_outputs = y.shape[-1]
    is_first_of_stage = name.endswith("block1")
    if is_first_of_stage and (plan.bottleneck or not name.startswith("stage1")):
        shortcut = f"{name}_shortcut"
        x = blocks.conv(x, num_outputs, 1, strides, shortcut, plan.use_bias)
        if plan.norm_projection:
            x = blocks.norm(x, shortcut)
    y = keras.layers.Add(name=f"{name}_add")([x, y])
    return blocks.activation(y, name, "relu")


def _resnet(
    plan: _Plan, input_shape: _Shape, num_classes: int, alpha: float, dropout: float
) -> keras.Model:
    input_shape = arguments.check_arguments(input_shape, num_classes, alpha, dropout)
    stem_strides, pool_strides, *strides = arguments.fitted_strides(
        plan.strides, input_shape
    )
    inputs = keras.Input(input_shape, name="image")
    num_channels = arguments.scaled_channels(plan.filters, alpha)
    x = blocks.conv_norm(
        inputs, num_channels, plan.stem_kernel, stem_strides, "stem", plan.use_bias
    )
    x = blocks.activation(x, "stem", "relu")
    if pool_strides == 2:
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, depth in enumerate(plan.depths):
        num_channels = arguments.scaled_channels(plan.filters * 2**stage, alpha)
        for block in range(depth):
            x = _residual(
                x,
                num_channels,
                strides[stage] if block == 0 else 1,
                f"stage{stage + 1}_block{block + 1}",
                plan,
            )
    outputs = blocks.logits(x, num_classes, dropout)
    return keras.Model(inputs, outputs, name=plan.name)


_RESNET18 = _large("resnet18", (2, 2, 2, 2), use_bias=False)
_RESNET34 = _large("resnet34", (3, 4, 6, 3), use_bias=False)
_RESNET50 = _large("resnet50", (3, 4, 6, 3), bottleneck=True)
_RESNET8 = _small("resnet8", 1)
_RESNET20 = _small("resnet20", 3)
_RESNET56 = _small("resnet56", 9)


def resnet18(
    input_shape: _Shape = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-18; 11,699,112 parameters at the defaults.

    Convolutions carry no bias, as in torchvision, which counts only the trainable
    parameters: 11,689,512.

    Args:
      input_shape: (height, width, channels), sides of at least 8 pixels; small inputs
        lose early strides (`arguments.fitted_strides`).
      num_classes: at least 2.
      alpha: width multiplier above 0; channels are rounded to multiples of 8.
      dropout: fraction in [0, 1) dropped before the last layer.

    Returns:
      An untrained Functional model from images (batch, height, width, channels) to
      logits (batch, num_classes).

    Raises:
      InvalidArgumentError: an argument is out of its range.

    Example:
      >>> tfc.models.resnet18((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), table 1.
    """
    return _resnet(_RESNET18, input_shape, num_classes, alpha, dropout)


def resnet34(
    input_shape: _Shape = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-34; 21,814,696 parameters at the defaults.

    Convolutions carry no bias, as in torchvision, which counts only the trainable
    parameters: 21,797,672.

    Args, Returns, Raises: as of `resnet18`.

    Example:
      >>> tfc.models.resnet34((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), table 1.
    """
    return _resnet(_RESNET34, input_shape, num_classes, alpha, dropout)


def resnet50(
    input_shape: _Shape = (224, 224, 3),
    num_classes: int = 1000,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-50; 25,636,712 parameters at the defaults.

    Convolutions carry a bias, as in `keras.applications`; a block's stride sits on its
    3x3 convolution ("v1.5"), which loses less than on the first 1x1.

    Args, Returns, Raises: as of `resnet18`.

    Example:
      >>> tfc.models.resnet50((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), table 1.
    """
    return _resnet(_RESNET50, input_shape, num_classes, alpha, dropout)


def resnet8(
    input_shape: _Shape = (32, 32, 3),
    num_classes: int = 10,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-8 of MLPerf Tiny; 78,666 parameters at the defaults.

    A good teacher for small pictures that trains in seconds.

    Args, Returns, Raises: as of `resnet18`.

    Example:
      >>> tfc.models.resnet8((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), section 4.2.
    """
    return _resnet(_RESNET8, input_shape, num_classes, alpha, dropout)


def resnet20(
    input_shape: _Shape = (32, 32, 3),
    num_classes: int = 10,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-20; 274,442 parameters at the defaults.

    Shortcuts that change the shape are 1x1 convolutions, where the paper pads.

    Args, Returns, Raises: as of `resnet18`.

    Example:
      >>> tfc.models.resnet20((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), section 4.2.
    """
    return _resnet(_RESNET20, input_shape, num_classes, alpha, dropout)


def resnet56(
    input_shape: _Shape = (32, 32, 3),
    num_classes: int = 10,
    alpha: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds ResNet-56; 861,770 parameters at the defaults.

    Shortcuts that change the shape are 1x1 convolutions, where the paper pads.

    Args, Returns, Raises: as of `resnet18`.

    Example:
      >>> tfc.models.resnet56((28, 28, 1), 10)

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), section 4.2.
    """
    return _resnet(_RESNET56, input_shape, num_classes, alpha, dropout)
