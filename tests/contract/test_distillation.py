"""Distillation in every stage that trains: same curves, nothing of it left behind."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfcompress as tfc

FIT = {"epochs": 2, "batch_size": 12, "learning_rate": 0.01}
STAGES = [
    tfc.Training(**FIT),
    tfc.Pruning(final_sparsity=0.5, **FIT),
    tfc.ChannelPruning(target={"params": 0.6}, round_to=1, min_channels=2, **FIT),
    tfc.Clustering(num_clusters=6, **FIT),
    tfc.QuantizationAware(**FIT),
]


def curves(run):
    events = EventAccumulator(str(run.tensorboard_dir)).Reload()
    return {
        tag: [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_features_are_learnt_in_every_stage(stage, tmp_path):
    teacher = tiny.model(seed=7)
    before = [weight.copy() for weight in teacher.get_weights()]
    losses = (
        (tfc.LogitDistillation(), 0.5),
        (tfc.FeatureDistillation("block_relu", "stem_relu"), 1.0),
        (tfc.RelationalDistillation("pool", "pool"), 1.0),
    )
    objective = tfc.Distillation(teacher, losses=losses, hard_weight=0.5)
    run = tfc.Run(data=tiny.data(), workdir=tmp_path).for_stage("00_stage")
    result = replace(stage, objective=objective)(tiny.model(), run)

    found = curves(run)
    assert {
        *("train/logit_distillation", "train/feature_distillation_block_relu"),
        *("train/relational_distillation_pool_distance", "train/student_loss"),
    } <= set(found)
    first, last = found["train/feature_distillation_block_relu"]
    assert last < first
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # No projection and no wrapper but those of QAT goes on.
    assert not any("projection" in weight.name for weight in result.weights)
    kinds = {type(layer).__name__ for layer in result.layers}
    assert not kinds & {"PruneLowMagnitude", "ClusterWeights", "Distiller"}
