"""The building blocks that the architectures share.

Every layer gets its name from the caller: Keras' automatic names count the models
built before in the same process, and would end up in the exported file.

Costs in the docstrings: H and W are height and width of the block's output, C its input
channels, F its filters, k the kernel's side. Batch normalisation adds four parameters a
channel and no multiply-accumulates (MACs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from tfcompress.layers.hard_swish import HardSigmoid, HardSwish

# Keras' 0.99 still holds two thirds of its initial value after one epoch of 5,000
# images; 0.9 has forgotten it.
NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class SqueezeExcite:
    """What tells one squeeze-and-excite block from another.

    Args:
      filters: of the first convolution.
      activation: after it, as of `activation`.
      gate: after the second one, `hard_sigmoid` or `sigmoid`.
    """

    filters: int
    activation: str = "relu"
    gate: str = "hard_sigmoid"


@dataclass(frozen=True)
class InvertedResidual:
    """What tells one inverted residual block from another.

    Args:
      expanded: channels of the depthwise convolution; where the block's input has as
        many, there is no expansion.
      filters: output channels.
      strides: of the depthwise convolution.
      kernel_size: of the depthwise convolution.
      activation: after all convolutions but the last, as of `activation`.
      squeeze_excite: after the depthwise convolution; None leaves it out.
    """

    expanded: int
    filters: int
    strides: int = 1
    kernel_size: int = 3
    activation: str = "relu6"
    squeeze_excite: SqueezeExcite | None = None


def activation(x: Any, name: str, kind: str) -> Any:
    """Applies `relu`, `relu6`, `swish`, `hard_swish`, `sigmoid` or `hard_sigmoid`.

    References:
      Ramachandran et al., "Searching for Activation Functions" (arXiv:1710.05941);
      Howard et al., "Searching for MobileNetV3" (arXiv:1905.02244), section 5.2.
    """
    if kind in ("relu", "relu6"):
        return keras.layers.ReLU(6.0 if kind == "relu6" else None, name=f"{name}_relu")(
            x
        )
    if kind == "hard_swish":
        return HardSwish(name=f"{name}_hard_swish")(x)
    if kind == "hard_sigmoid":
        return HardSigmoid(name=f"{name}_hard_sigmoid")(x)
    return keras.layers.Activation(kind, name=f"{name}_{kind}")(x)


def norm(x: Any, name: str) -> Any:
    """Applies batch normalisation; 4 C parameters."""
    return keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(
        x
    )


def conv(
    x: Any,
    filters: int,
    kernel_size: int | tuple[int, int],
    strides: int,
    name: str,
    use_bias: bool,
) -> Any:
    """Applies a convolution with padding that keeps the side divided by strides.

    k k C F parameters, and F with a bias; H W k k C F MACs.
    """
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def conv_norm(
    x: Any,
    filters: int,
    kernel_size: int | tuple[int, int],
    strides: int,
    name: str,
    use_bias: bool = False,
) -> Any:
    """Convolution, batch normalisation; k k C F + 4 F parameters, H W k k C F MACs."""
    return norm(conv(x, filters, kernel_size, strides, name, use_bias), name)


def standard(
    x: Any,
    filters: int,
    kernel_size: int,
    strides: int,
    name: str,
    kind: str = "relu",
) -> Any:
    """Standard block: convolution, batch normalisation, activation.

    k k C F + 4 F parameters, H W k k C F MACs.
    """
    x = conv_norm(x, filters, kernel_size, strides, name)
    return activation(x, name, kind)


def depthwise_norm(
    x: Any, strides: int, name: str, kernel_size: int = 3, use_bias: bool = False
) -> Any:
    """Depthwise convolution, batch normalisation.

    k k C + 4 C parameters, and C with a bias; H W k k C MACs.
    """
    x = keras.layers.DepthwiseConv2D(
        kernel_size, strides, padding="same", use_bias=use_bias, name=f"{name}_conv"
    )(x)
    return norm(x, name)


def depthwise_separable(
    x: Any,
    filters: int,
    strides: int,
    name: str,
    kind: str = "relu6",
    use_bias: bool = False,
) -> Any:
    """Depthwise-separable block of MobileNetV1: depthwise 3x3, pointwise 1x1.

    9 C + 4 C + C F + 4 F parameters, and C + F with biases; H W (9 C + C F) MACs.

    References:
      Howard et al., "MobileNets" (arXiv:1704.04861), figure 3.
    """
    x = depthwise_norm(x, strides, f"{name}_depthwise", use_bias=use_bias)
    x = activation(x, f"{name}_depthwise", kind)
    x = conv_norm(x, filters, 1, 1, f"{name}_pointwise", use_bias)
    return activation(x, f"{name}_pointwise", kind)


def bottleneck(x: Any, filters: int, strides: int, name: str, use_bias: bool) -> Any:
    """Branch of a bottleneck block: 1x1 to F channels, 3x3, 1x1 to 4 F.

    F C + 9 F F + 4 F F + 24 F parameters, and 6 F with biases; H W (s s C F + 13 F F)
    MACs, where s are the strides, which sit on the 3x3.

    References:
      He et al., "Deep Residual Learning" (arXiv:1512.03385), figure 5.
    """
    x = conv_norm(x, filters, 1, 1, f"{name}_reduce", use_bias)
    x = activation(x, f"{name}_reduce", "relu")
    x = conv_norm(x, filters, 3, strides, f"{name}_a", use_bias)
    x = activation(x, f"{name}_a", "relu")
    return conv_norm(x, 4 * filters, 1, 1, f"{name}_b", use_bias)


def squeeze_excite(x: Any, settings: SqueezeExcite, name: str) -> Any:
    """Scales each channel by what a small network makes of all channels' means.

    2 C S + C + S parameters and 2 C S MACs, where S are the settings' filters.

    References:
      Hu et al., "Squeeze-and-Excitation Networks" (arXiv:1709.01507), section 3.
    """
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = conv(y, settings.filters, 1, 1, f"{name}_reduce", use_bias=True)
    y = activation(y, f"{name}_reduce", settings.activation)
    y = conv(y, x.shape[-1], 1, 1, f"{name}_expand", use_bias=True)
    y = activation(y, f"{name}_expand", settings.gate)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


def inverted_residual(x: Any, settings: InvertedResidual, name: str) -> Any:
    """Inverted residual block: expand, depthwise, squeeze-and-excite, project, add.

    With E expanded channels: C E + k k E + E F + 8 E + 4 F parameters and
    H W (s s C E + k k E + E F) MACs, where s are the strides; without expansion the
    terms C E and 4 E fall away. Squeeze-and-excite comes on top. The input is added
    where the block keeps its shape.

    References:
      Sandler et al., "MobileNetV2" (arXiv:1801.04381), table 1 and figure 3; Howard et
      al., "Searching for MobileNetV3" (arXiv:1905.02244), figure 4.
    """
    y = x
    if settings.expanded != x.shape[-1]:
        y = conv_norm(y, settings.expanded, 1, 1, f"{name}_expand")
        y = activation(y, f"{name}_expand", settings.activation)
    y = depthwise_norm(y, settings.strides, f"{name}_depthwise", settings.kernel_size)
    y = activation(y, f"{name}_depthwise", settings.activation)
    if settings.squeeze_excite:
        y = squeeze_excite(y, settings.squeeze_excite, f"{name}_excite")
    y = conv_norm(y, settings.filters, 1, 1, f"{name}_project")
    if settings.strides == 1 and x.shape[-1] == settings.filters:
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return y


def logits(x: Any, num_classes: int, dropout: float) -> Any:
    """Head: global average pooling, dropout, one dense layer without softmax.

    C N + N parameters and C N MACs for N classes.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return dense_logits(x, num_classes, dropout)


def dense_logits(x: Any, num_classes: int, dropout: float) -> Any:
    """Dropout and one dense layer without softmax, for `(batch, channels)`."""
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(num_classes, name="logits")(x)
