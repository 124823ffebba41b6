"""Small networks, one for each kind of layer that a model file may hold."""

import numpy as np
import tf_keras as keras
from tf_keras.src.applications.convnext import LayerScale

from tfcompress.layers.channel_shuffle import ChannelShuffle
from tfcompress.layers.depth_to_space import DepthToSpace, SpaceToDepth
from tfcompress.layers.divide import Divide
from tfcompress.layers.grouped_convolution import GroupedConv2D
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish
from tfcompress.layers.slice import Slice
from tfcompress.layers.tanh_gelu import TanhGelu

layers = keras.layers
SHAPE = (8, 8, 4)
NAME = "kind"
_ACTIVATIONS = """
elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu
sigmoid softmax softplus softsign swish tanh
"""
_INTERPOLATIONS = """
nearest bilinear bicubic area lanczos3 lanczos5 gaussian mitchellcubic
"""
_AUGMENTATIONS = {
    "RandomBrightness": (0.1,),
    "RandomContrast": (0.1,),
    "RandomCrop": (6, 6),
    "RandomFlip": (),
    "RandomHeight": (0.2,),
    "RandomRotation": (0.1,),
    "RandomTranslation": (0.1, 0.1),
    "RandomWidth": (0.2,),
    "RandomZoom": (0.1,),
}


def tokens(x):
    """Returns an image as a sequence."""
    return layers.Reshape((64, 4))(x)


def volume(x):
    """Returns an image as one more dimension of space."""
    return layers.Reshape((8, 8, 2, 2))(x)


def vector(x):
    """Returns what is left of an image in six numbers."""
    return layers.Dense(6)(layers.Flatten()(x))


def two(x):
    """Returns two tensors of one shape."""
    return [layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1)(x)]


def two_sequences(x):
    """Returns two sequences of one shape."""
    return [tokens(part) for part in two(x)]


def two_vectors(x):
    """Returns two vectors of one shape."""
    return [vector(x), vector(x)]


def positive(x):
    """Returns a tensor, and one of a single channel that is above zero."""
    return [x, layers.Activation("sigmoid")(layers.Conv2D(1, 1)(x))]


def same(x):
    """Returns the image."""
    return x


def normal(*axis):
    """Returns arguments of a BatchNormalization with statistics that matter."""
    return {
        "axis": list(axis),
        "beta_initializer": keras.initializers.RandomNormal(0, 0.3, 1),
        "gamma_initializer": keras.initializers.RandomNormal(1, 0.3, 2),
        "moving_mean_initializer": keras.initializers.RandomNormal(0, 0.2, 3),
        "moving_variance_initializer": keras.initializers.RandomUniform(0.5, 2, 4),
    }


def statistics(number):
    """Returns a mean and a variance for each of several channels."""
    return {"mean": np.linspace(0, 1, number), "variance": np.linspace(1, 3, number)}


SLOPES = {"alpha_initializer": keras.initializers.RandomUniform(0, 0.5, 1)}
# What a layer is given, its class, and the arguments of that, by a name for each.
KINDS = {
    **{f"{n} activation": (same, layers.Activation, n) for n in _ACTIVATIONS.split()},
    "ReLU": (same, layers.ReLU),
    "ReLU6": (same, layers.ReLU, 6.0),
    "ReLU up to 1": (same, layers.ReLU, 1.0),
    "ReLU with a slope": (same, layers.ReLU, None, 0.1),
    "ReLU with a slope up to 1": (same, layers.ReLU, 1.0, 0.1),
    "ELU": (same, layers.ELU),
    "LeakyReLU": (same, layers.LeakyReLU),
    "PReLU": (same, layers.PReLU, SLOPES),
    "PReLU by channel": (same, layers.PReLU, {"shared_axes": (1, 2), **SLOPES}),
    "ThresholdedReLU": (same, layers.ThresholdedReLU, 0.2),
    "Softmax": (same, layers.Softmax),
    "Softmax of columns": (same, layers.Softmax, 1),
    "Softmax of all places": (same, layers.Softmax, {"axis": (1, 2)}),
    "HardSwish": (same, HardSwish),
    "HardSigmoid": (same, HardSigmoid),
    "TanhGelu": (same, TanhGelu),
    "Add": (two, layers.Add),
    "Subtract": (two, layers.Subtract),
    "Multiply": (two, layers.Multiply),
    "Average": (two, layers.Average),
    "Maximum": (two, layers.Maximum),
    "Minimum": (two, layers.Minimum),
    "Concatenate": (two, layers.Concatenate),
    "Divide": (positive, Divide),
    "Dot of sequences": (two_sequences, layers.Dot, (2, 2)),
    "Dot along the sequence": (two_sequences, layers.Dot, (1, 1)),
    "Dot of images": (two, layers.Dot, 3),
    "Dot of vectors": (two_vectors, layers.Dot, 1),
    "Dot of normalized vectors": (two_vectors, layers.Dot, 1, True),
    "Attention": (two_sequences, layers.Attention),
    "Attention with a scale": (two_sequences, layers.Attention, True),
    "Attention of sums": (two_sequences, layers.Attention, {"score_mode": "concat"}),
    "AdditiveAttention": (two_sequences, layers.AdditiveAttention),
    "Conv2D": (same, layers.Conv2D, 5, 3),
    "Conv2D with holes": (same, layers.Conv2D, 5, 3, {"dilation_rate": 2}),
    "Conv2D in groups": (same, layers.Conv2D, 6, 3, {"groups": 2}),
    "GroupedConv2D": (same, GroupedConv2D, 6, 3, {"groups": 2}),
    "Conv2DTranspose": (same, layers.Conv2DTranspose, 6, 3, 2),
    "DepthwiseConv2D": (same, layers.DepthwiseConv2D, 3, {"depth_multiplier": 2}),
    "SeparableConv2D": (same, layers.SeparableConv2D, 5, 3),
    "SeparableConv1D": (tokens, layers.SeparableConv1D, 5, 3),
    "Conv1D": (tokens, layers.Conv1D, 5, 3),
    "Conv1D that looks back": (tokens, layers.Conv1D, 5, 3, {"padding": "causal"}),
    "DepthwiseConv1D": (tokens, layers.DepthwiseConv1D, 3),
    "Conv1DTranspose": (tokens, layers.Conv1DTranspose, 3, 3, 2, "same", 1),
    "Conv3D": (volume, layers.Conv3D, 3, 2),
    "Conv3DTranspose": (volume, layers.Conv3DTranspose, 3, 2),
    "Dense": (same, layers.Dense, 5),
    "Dense of a vector": (vector, layers.Dense, 5),
    "BatchNormalization": (same, layers.BatchNormalization, normal(-1)),
    "BatchNormalization of rows": (same, layers.BatchNormalization, normal(1)),
    "BatchNormalization of steps": (tokens, layers.BatchNormalization, normal(1)),
    "BatchNormalization of two": (same, layers.BatchNormalization, normal(1, 3)),
    "LayerNormalization": (same, layers.LayerNormalization),
    "LayerNormalization of maps": (same, layers.LayerNormalization, (1, 2)),
    "LayerNormalization of tokens": (tokens, layers.LayerNormalization),
    "GroupNormalization": (same, layers.GroupNormalization, 2),
    "UnitNormalization": (same, layers.UnitNormalization),
    "UnitNormalization of columns": (same, layers.UnitNormalization, 1),
    "UnitNormalization of a vector": (vector, layers.UnitNormalization, 1),
    "Normalization": (same, layers.Normalization, statistics(4)),
    "Normalization of rows": (same, layers.Normalization, 1, {**statistics(8)}),
    "Rescaling": (same, layers.Rescaling, 2.0, 0.5),
    "LayerScale": (same, LayerScale, 0.5, 4),
    "AveragePooling1D": (tokens, layers.AveragePooling1D),
    "AveragePooling2D": (same, layers.AveragePooling2D),
    "AveragePooling2D at edges": (same, layers.AveragePooling2D, 3, 2, "same"),
    "AveragePooling3D": (volume, layers.AveragePooling3D),
    "MaxPooling1D": (tokens, layers.MaxPooling1D),
    "MaxPooling2D": (same, layers.MaxPooling2D),
    "MaxPooling3D": (volume, layers.MaxPooling3D),
    "GlobalAveragePooling1D": (tokens, layers.GlobalAveragePooling1D),
    "GlobalAveragePooling2D": (same, layers.GlobalAveragePooling2D),
    "GlobalAveragePooling3D": (volume, layers.GlobalAveragePooling3D),
    "GlobalMaxPooling1D": (tokens, layers.GlobalMaxPooling1D),
    "GlobalMaxPooling2D": (same, layers.GlobalMaxPooling2D),
    "GlobalMaxPooling3D": (volume, layers.GlobalMaxPooling3D),
    **{
        f"{kind.__name__} by {how}": (same, kind, *size, {"interpolation": how})
        for kind, size in ((layers.UpSampling2D, [2]), (layers.Resizing, [5, 6]))
        for how in _INTERPOLATIONS.split()
    },
    "Resizing to an aspect": (same, layers.Resizing, 5, 6, "bilinear", True),
    "UpSampling1D": (tokens, layers.UpSampling1D),
    "UpSampling3D": (volume, layers.UpSampling3D),
    "ZeroPadding1D": (tokens, layers.ZeroPadding1D),
    "ZeroPadding2D": (same, layers.ZeroPadding2D),
    "ZeroPadding3D": (volume, layers.ZeroPadding3D),
    "Cropping1D": (tokens, layers.Cropping1D),
    "Cropping2D": (same, layers.Cropping2D, 1),
    "Cropping3D": (volume, layers.Cropping3D, ((1, 1), (1, 1), (0, 1))),
    "CenterCrop": (same, layers.CenterCrop, 4, 5),
    "CenterCrop of less": (same, layers.CenterCrop, 10, 5),
    "Flatten": (same, layers.Flatten),
    "Reshape": (same, layers.Reshape, (4, 16, 4)),
    "Permute": (same, layers.Permute, (2, 3, 1)),
    "RepeatVector": (vector, layers.RepeatVector, 3),
    "Identity": (same, layers.Identity),
    "ChannelShuffle": (same, ChannelShuffle, 2),
    "DepthToSpace": (same, DepthToSpace, 2),
    "SpaceToDepth": (same, SpaceToDepth, 2),
    "Slice": (same, Slice, [(None, None, 2)]),
    "Slice backwards": (same, Slice, [(None, None, -1)]),
    "Dropout": (same, layers.Dropout, 0.5),
    "AlphaDropout": (same, layers.AlphaDropout, 0.5),
    "GaussianDropout": (same, layers.GaussianDropout, 0.5),
    "GaussianNoise": (same, layers.GaussianNoise, 0.5),
    "SpatialDropout1D": (tokens, layers.SpatialDropout1D, 0.5),
    "SpatialDropout2D": (same, layers.SpatialDropout2D, 0.5),
    "SpatialDropout3D": (volume, layers.SpatialDropout3D, 0.5),
    "ActivityRegularization": (same, layers.ActivityRegularization, 0.5),
    **{n: (same, getattr(layers, n), *given) for n, given in _AUGMENTATIONS.items()},
}
# Kinds that act at inference as in training, and so are drawn at random there.
ACTIVE = {
    "active BatchNormalization": (same, layers.BatchNormalization),
    "active Dropout": (same, layers.Dropout, 0.5),
}


def network(kind):
    """Returns a network of three layers, the one in the middle of a kind."""
    keras.utils.set_random_seed(0)
    given, made, *arguments = (KINDS | ACTIVE)[kind]
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    image = keras.Input(SHAPE, name="image")
    x = given(layers.Conv2D(4, 1, name="first")(image))
    call = {"training": True} if kind in ACTIVE else {}
    x = made(*arguments, **options, name=NAME)(x, **call)
    return keras.Model(image, layers.Dense(6, name="last")(x), name="net")
