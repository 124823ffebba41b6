"""tfcompress: from a Keras vision model to the smallest, fastest int8 .tflite file.

Example:
  >>> import tfcompress as tfc
  >>> report = tfc.run_recipe(tfc.load_recipe("recipes/quickstart.py"))
  >>> print(report.headline())
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfcompress import data, models
    from tfcompress.cli.run import run_as_script
    from tfcompress.data import Augmentation, Data
    from tfcompress.diagnosis import diagnose
    from tfcompress.engines import compare_engines
    from tfcompress.errors import TfcompressError
    from tfcompress.export import (
        Export,
        MostSensitive,
        audit_tflite,
        check_micro,
        export_c_array,
        export_tflite,
        slim_tflite,
    )
    from tfcompress.ingredients import Architecture, Teacher
    from tfcompress.loading import load_model, save_model
    from tfcompress.pipeline import run_recipe
    from tfcompress.profiling.latency import latency_ratio
    from tfcompress.profiling.memory_plot import plot_memory
    from tfcompress.profiling.profile import profile
    from tfcompress.quality.accuracy import evaluate
    from tfcompress.quality.detection import (
        Detections,
        GroundTruth,
        mean_average_precision,
    )
    from tfcompress.quality.robustness.perturbations import Perturbations
    from tfcompress.quality.robustness.plot import plot_robustness
    from tfcompress.quality.robustness.robustness import robustness
    from tfcompress.quality.segmentation import mean_iou
    from tfcompress.quantization.calibration import Calibration
    from tfcompress.quantization.strip import strip_quantization
    from tfcompress.recipe import Recipe, load_recipe
    from tfcompress.reporting.compare import compare
    from tfcompress.reporting.plots import plot_pareto, plot_stages
    from tfcompress.run import Run
    from tfcompress.sensitivity.channels import channel_sensitivity
    from tfcompress.sensitivity.plots import (
        plot_channels,
        plot_quantization_errors,
        plot_sensitivity,
    )
    from tfcompress.sensitivity.quantization import quantization_sensitivity
    from tfcompress.sensitivity.quantization_errors import quantization_errors
    from tfcompress.stages import (
        ChannelPruning,
        Clustering,
        LayerPruning,
        Pruning,
        QuantizationAware,
        SparsityTraining,
        Training,
    )
    from tfcompress.training.distillation import (
        AttentionTransfer,
        CorrelationCongruence,
        DecoupledDistillation,
        FeatureDistillation,
        FlowDistillation,
        LogitDistillation,
        LogitMatching,
        MeanTeacher,
        PearsonDistillation,
        RelationalDistillation,
        SimilarityPreserving,
    )
    from tfcompress.training.objectives import Distillation
    from tfcompress.training.progress import Progress
    from tfcompress.training.schedules import CosineDecay

__all__ = [
    "Architecture",
    "AttentionTransfer",
    "Augmentation",
    "Calibration",
    "ChannelPruning",
    "Clustering",
    "CorrelationCongruence",
    "CosineDecay",
    "Data",
    "DecoupledDistillation",
    "Detections",
    "Distillation",
    "Export",
    "FeatureDistillation",
    "FlowDistillation",
    "GroundTruth",
    "LayerPruning",
    "LogitDistillation",
    "LogitMatching",
    "MeanTeacher",
    "MostSensitive",
    "PearsonDistillation",
    "Perturbations",
    "Progress",
    "Pruning",
    "QuantizationAware",
    "Recipe",
    "RelationalDistillation",
    "Run",
    "SimilarityPreserving",
    "SparsityTraining",
    "Teacher",
    "TfcompressError",
    "Training",
    "audit_tflite",
    "channel_sensitivity",
    "check_micro",
    "compare",
    "compare_engines",
    "data",
    "diagnose",
    "evaluate",
    "export_c_array",
    "export_tflite",
    "latency_ratio",
    "load_model",
    "load_recipe",
    "mean_average_precision",
    "mean_iou",
    "models",
    "plot_channels",
    "plot_memory",
    "plot_pareto",
    "plot_quantization_errors",
    "plot_robustness",
    "plot_sensitivity",
    "plot_stages",
    "profile",
    "quantization_errors",
    "quantization_sensitivity",
    "robustness",
    "run_as_script",
    "run_recipe",
    "save_model",
    "slim_tflite",
    "strip_quantization",
]

# Where each name lives. Resolved on first use: TensorFlow takes seconds to import,
# and `tfcompress --help` must not wait for it.
_HOMES = {
    "tfcompress.cli.run": ("run_as_script",),
    "tfcompress.data": ("Augmentation", "Data"),
    "tfcompress.diagnosis": ("diagnose",),
    "tfcompress.engines": ("compare_engines",),
    "tfcompress.errors": ("TfcompressError",),
    "tfcompress.export": (
        *("Export", "MostSensitive", "audit_tflite", "check_micro"),
        *("export_c_array", "export_tflite", "slim_tflite"),
    ),
    "tfcompress.loading": ("load_model", "save_model"),
    "tfcompress.pipeline": ("run_recipe",),
    "tfcompress.profiling": ("profile",),
    "tfcompress.quality.accuracy": ("evaluate",),
    "tfcompress.quality.detection": (
        *("Detections", "GroundTruth", "mean_average_precision"),
    ),
    "tfcompress.reporting.compare": ("compare",),
    "tfcompress.reporting.plots": ("plot_pareto", "plot_stages"),
    "tfcompress.quality.robustness.perturbations": ("Perturbations",),
    "tfcompress.profiling.latency": ("latency_ratio",),
    "tfcompress.sensitivity.plots": (
        *("plot_channels", "plot_quantization_errors", "plot_sensitivity"),
    ),
    "tfcompress.profiling.memory_plot": ("plot_memory",),
    "tfcompress.sensitivity.quantization_errors": ("quantization_errors",),
    "tfcompress.sensitivity.quantization": ("quantization_sensitivity",),
    "tfcompress.quality.robustness.robustness": ("robustness",),
    "tfcompress.quality.robustness.plot": ("plot_robustness",),
    "tfcompress.quality.segmentation": ("mean_iou",),
    "tfcompress.sensitivity.channels": ("channel_sensitivity",),
    "tfcompress.quantization.strip": ("strip_quantization",),
    "tfcompress.ingredients": ("Architecture", "Teacher"),
    "tfcompress.quantization.calibration": ("Calibration",),
    "tfcompress.recipe": ("Recipe", "load_recipe"),
    "tfcompress.run": ("Run",),
    "tfcompress.stages": (
        *("ChannelPruning", "Clustering", "LayerPruning", "Pruning"),
        *("QuantizationAware", "SparsityTraining", "Training"),
    ),
    "tfcompress.training.distillation": (
        *("AttentionTransfer", "CorrelationCongruence", "DecoupledDistillation"),
        *("FeatureDistillation", "FlowDistillation", "LogitDistillation"),
        *("LogitMatching", "MeanTeacher", "PearsonDistillation"),
        *("RelationalDistillation", "SimilarityPreserving"),
    ),
    "tfcompress.training.objectives": ("Distillation",),
    "tfcompress.training.progress": ("Progress",),
    "tfcompress.training.schedules": ("CosineDecay",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'tfcompress' has no attribute {name!r}")
    with ExitStack() as stack:
        if "tensorflow" not in sys.modules:
            from tfcompress.cli.noise import noise_to

            stack.enter_context(noise_to(None))
        if name not in _HOME_OF:
            return importlib.import_module(f"tfcompress.{name}")
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, imported or not."""
    return sorted({*globals(), *__all__})
