"""Layers that do something in training only."""

from __future__ import annotations

import tf_keras as keras
from tf_keras.src.applications.convnext import StochasticDepth

from tfcompress.rewriting.graph import Node

# They drop channels or values, at any scale alike.
DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
# RandomCrop is missing: at inference it crops the middle.
_NAMES = """
ActivityRegularization AlphaDropout GaussianNoise RandomBrightness RandomContrast
RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom
"""
TRAINING_ONLY = (
    *DROPOUTS,
    *(getattr(keras.layers, name) for name in _NAMES.split()),
    StochasticDepth,
)


def is_training_only(node: Node) -> bool:
    """Returns whether a node passes its input through at inference."""
    return type(node.layer) in TRAINING_ONLY
