"""Functional models drawn by hypothesis from all layers that channels go through."""

import numpy as np
import tf_keras as keras
from hypothesis import strategies as st
from tf_keras.src.applications.convnext import LayerScale

from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.divide import Divide
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.layers.slice import Slice
from tfcompress.layers.tanh_gelu import TanhGelu

layers = keras.layers
SIDE = 8
LARGEST = 24  # channels


@keras.saving.register_keras_serializable(package="random_graphs")
class Reversed(layers.Layer):
    """A layer that nobody knows."""

    def call(self, inputs):
        return inputs[..., ::-1] * 0.5

    def compute_output_shape(self, input_shape):
        return input_shape


class Builder:
    """Adds one random layer after the other.

    Args:
      draw: of hypothesis.
    """

    def __init__(self, draw):
        self.draw = draw
        self.inputs = [layers.Input((SIDE, SIDE, 3)) for _ in range(self.integer(1, 2))]
        self.tensors = [self.convolution(image) for image in self.inputs]

    def integer(self, low, high):
        return self.draw(st.integers(low, high))

    def one_of(self, values):
        return self.draw(st.sampled_from(list(values)))

    def add(self, name):
        """Adds the layer, or block, of a name, behind a random tensor."""
        x = self.one_of(self.tensors)
        made = getattr(self, name)(x)
        self.tensors.append(made)

    def partner(self, x, same_channels=True):
        """Returns another tensor of the same sides, made where there is none."""
        fits = [
            y
            for y in self.tensors
            if y is not x
            and y.shape[1:3] == x.shape[1:3]
            and (y.shape[-1] == x.shape[-1] or not same_channels)
        ]
        if fits:
            return self.one_of(fits)
        return layers.Conv2D(x.shape[-1], 1)(x)

    def groups(self, x):
        return self.one_of([g for g in (2, 3, 4) if x.shape[-1] % g == 0] or [1])

    def convolution(self, x):
        return layers.Conv2D(
            self.one_of((4, 6, 8, 12)),
            self.one_of((1, 3)),
            padding="same",
            strides=self.one_of((1, 1, 2)) if x.shape[1] > 2 else 1,
            use_bias=self.one_of((True, False)),
            activation=self.one_of((None, "relu", "swish", "sigmoid")),
        )(x)

    def grouped_convolution(self, x):
        groups = self.groups(x)
        return GroupedConv2D(groups * self.integer(2, 4), 1, groups=groups)(x)

    def transposed_convolution(self, x):
        strides = 2 if x.shape[1] < SIDE else 1
        return layers.Conv2DTranspose(6, 3, strides=strides, padding="same")(x)

    def depthwise(self, x):
        most = 2 if x.shape[-1] <= LARGEST // 2 else 1
        return layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=self.integer(1, most)
        )(x)

    def dense(self, x):
        return layers.Dense(8, activation="relu")(x)

    def shared_convolution(self, x):
        layer = layers.Conv2D(x.shape[-1], 1, activation="tanh")
        return layer(layer(x))

    def shared_by_two(self, x):
        layer = layers.DepthwiseConv2D(3, padding="same")
        return layers.Concatenate()([layer(x), layer(self.partner(x))])

    def normalization(self, x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    def pointwise(self, x):
        layer = self.one_of(
            (
                *(layers.ReLU(6.0), layers.LeakyReLU(), layers.ELU(), HardSwish()),
                *(HardSigmoid(), TanhGelu(), layers.Dropout(0.5), layers.Identity()),
                *(layers.Activation("gelu"), layers.Softmax(axis=(1, 2))),
                *(layers.PReLU(), layers.PReLU(shared_axes=(1, 2))),
            )
        )
        return layer(x)

    def per_channel(self, x):
        factors = np.linspace(0.5, 1.5, x.shape[-1]).tolist()
        layer = self.one_of(
            (
                layers.Rescaling(factors, offset=0.1),
                layers.Rescaling(2.0, offset=factors),
                LayerScale(0.5, x.shape[-1]),
            )
        )
        return layer(x)

    def merge(self, x):
        layer = self.one_of(
            (
                *(layers.Add(), layers.Multiply(), layers.Average()),
                *(layers.Maximum(), layers.Minimum(), layers.Subtract()),
            )
        )
        return layer([x, self.partner(x)])

    def quotient(self, x):
        return Divide()([x, layers.Activation("sigmoid")(self.partner(x))])

    def residual(self, x):
        y = layers.Conv2D(x.shape[-1], 3, padding="same")(layers.ReLU()(x))
        return layers.Add()([x, y])

    def concatenation(self, x):
        other = self.partner(x, same_channels=False)
        if x.shape[-1] + other.shape[-1] > LARGEST:
            return x
        return layers.Concatenate()([x, other])

    def pixel_concatenation(self, x):
        both = layers.Concatenate(axis=self.one_of((1, 2)))([x, self.partner(x)])
        return layers.MaxPooling2D(2, padding="same")(both)

    def split_and_swap(self, x):
        middle = self.integer(1, x.shape[-1] - 1)
        first = Slice([[None, None, None]] * 2 + [[0, middle, 1]])(x)
        second = Slice([[None, None, None]] * 2 + [[middle, None, None]])(x)
        if self.one_of((True, False)):
            second = layers.Conv2D(second.shape[-1], 1)(second)
        return layers.Concatenate()([second, first])

    def shuffle(self, x):
        return ChannelShuffle(self.groups(x))(x)

    def raw_shuffle(self, x):
        _, height, width, channels = x.shape
        groups = self.groups(x)
        y = layers.Reshape((height, width, groups, channels // groups))(x)
        y = layers.Permute((1, 2, 4, 3))(y)
        return layers.Reshape((height, width, -1))(y)

    def turned(self, x):
        y = layers.ReLU()(layers.Permute((3, 1, 2))(x))
        return layers.Permute((2, 3, 1))(layers.BatchNormalization(axis=1)(y))

    def squeeze_and_excite(self, x):
        channels = x.shape[-1]
        keepdims = self.one_of((True, False))
        y = layers.GlobalAveragePooling2D(keepdims=keepdims)(x)
        if not keepdims and self.one_of((True, False)):
            y = layers.Reshape((1, 1, channels))(y)
        y = layers.Dense(4, activation="relu")(y)
        y = layers.Dense(channels, activation="sigmoid")(y)
        return layers.Multiply()([x, y])

    def gate_of_one_channel(self, x):
        return layers.Multiply()([x, layers.Conv2D(1, 1, activation="sigmoid")(x)])

    def spatial(self, x):
        options = [
            layers.ZeroPadding2D(1),
            layers.UpSampling2D(2),
            layers.Resizing(4, 4),
        ]
        if x.shape[1] > 2:
            options += [
                *(layers.MaxPooling2D(2), layers.AveragePooling2D(2)),
                *(layers.Cropping2D(1), layers.CenterCrop(2, 2)),
            ]
        return layers.Resizing(SIDE, SIDE)(self.one_of(options)(x))

    def pixel_slice(self, x):
        return Slice([[0, None, 2]])(x) if x.shape[1] > 2 else x

    def depth_to_space(self, x):
        if x.shape[-1] % 4 or x.shape[1] > SIDE:
            return x
        return layers.Conv2D(8, 1)(DepthToSpace(2)(x))

    def space_to_depth(self, x):
        if x.shape[1] % 2 or x.shape[2] % 2 or x.shape[-1] > LARGEST // 4:
            return x
        return SpaceToDepth(2)(x)

    def wall(self, x):
        layer = self.one_of(
            (
                *(Reversed(), layers.LayerNormalization(), layers.Softmax()),
                layers.GroupNormalization(1),
            )
        )
        return layer(x)

    def model(self):
        """Returns the model, with one or two outputs."""
        ends = [self.head(x) for x in self.tensors[-1 : -1 - self.integer(1, 2) : -1]]
        return keras.Model(self.inputs, ends)

    def head(self, x):
        if self.one_of((True, False)):
            x = layers.Flatten()(x)
        else:
            x = layers.GlobalAveragePooling2D()(x)
        return layers.Dense(3)(x)


_OTHERS = ["__init__", "integer", "one_of", "add", "partner", "groups", "model", "head"]
BLOCKS = [name for name in vars(Builder) if name[0] != "_" and name not in _OTHERS]


def random_weights(model, seed):
    """Gives every weight a value for which the layers neither die nor explode."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        name, shape = weight.name, weight.shape
        if "kernel" in name:
            fan_in = np.prod(shape[:2] if "depthwise" in name else shape[:-1])
            values = random.normal(0.3 / fan_in, 1 / np.sqrt(fan_in), shape)
        elif "variance" in name or "gamma" in name:
            values = random.uniform(0.5, 1.5, shape)
        elif "alpha" in name:
            values = random.uniform(0.1, 0.5, shape)
        else:
            values = random.normal(0, 0.2, shape)
        weight.assign(values)


def draw_model(draw):
    """Returns a random model of 5 to 9 blocks, with random weights."""
    keras.backend.clear_session()
    builder = Builder(draw)
    # Of a permutation, for hypothesis likes to repeat itself.
    for name in draw(st.permutations(BLOCKS))[: builder.integer(5, 9)]:
        builder.add(name)
    model = builder.model()
    random_weights(model, builder.integer(0, 1000))
    return model
