"""What a student can learn from its teacher: the losses, by what they compare."""

from tfcompress.training.distillation.feature import (
    AttentionTransfer,
    FeatureDistillation,
)
from tfcompress.training.distillation.loss import DistillationLoss
from tfcompress.training.distillation.mean_teacher import MeanTeacher
from tfcompress.training.distillation.relation import (
    CorrelationCongruence,
    FlowDistillation,
    RelationalDistillation,
    SimilarityPreserving,
)
from tfcompress.training.distillation.response import (
    DecoupledDistillation,
    LogitDistillation,
    LogitMatching,
    PearsonDistillation,
)

__all__ = [
    "LOSSES",
    "AttentionTransfer",
    "CorrelationCongruence",
    "DecoupledDistillation",
    "DistillationLoss",
    "FeatureDistillation",
    "FlowDistillation",
    "LogitDistillation",
    "LogitMatching",
    "MeanTeacher",
    "PearsonDistillation",
    "RelationalDistillation",
    "SimilarityPreserving",
]

# Those that a recipe can store.
LOSSES = (
    *(LogitDistillation, DecoupledDistillation, PearsonDistillation, LogitMatching),
    *(FeatureDistillation, AttentionTransfer, RelationalDistillation),
    *(SimilarityPreserving, FlowDistillation, CorrelationCongruence),
)
