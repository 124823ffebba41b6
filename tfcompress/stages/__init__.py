"""Stages: one compression technique a file, settings and verb together."""

from tfcompress.stages.channel_pruning import ChannelPruning
from tfcompress.stages.clustering import Clustering
from tfcompress.stages.layer_pruning import LayerPruning
from tfcompress.stages.pruning import Pruning
from tfcompress.stages.quantization_aware import QuantizationAware
from tfcompress.stages.sparsity_training import SparsityTraining
from tfcompress.stages.stage import Stage, check_order, clone_model, select_layers
from tfcompress.stages.training import Training

__all__ = [
    "ChannelPruning",
    "Clustering",
    "LayerPruning",
    "Pruning",
    "QuantizationAware",
    "SparsityTraining",
    "Stage",
    "Training",
    "check_order",
    "clone_model",
    "select_layers",
]
