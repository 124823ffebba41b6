from dataclasses import dataclass

import pytest

from tfcompress.training.distillation import (
    LOSSES,
    AttentionTransfer,
    DecoupledDistillation,
    DistillationLoss,
    FlowDistillation,
    RelationalDistillation,
)
from tfcompress.training.distillation.loss import LayerLoss, mismatch


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (DecoupledDistillation(), "decoupled_distillation"),
        (AttentionTransfer("block5", "conv4"), "attention_transfer_block5"),
        (FlowDistillation(("a", "b"), ("c", "d")), "flow_distillation_a_b"),
        (
            RelationalDistillation("pool", "gap", "angle"),
            "relational_distillation_pool_angle",
        ),
    ],
)
def test_name_of_the_curve(loss, name):
    assert loss.name == name


def test_pairs_are_the_layers_it_reads():
    assert DecoupledDistillation().pairs == ()
    assert AttentionTransfer("a", "b").pairs == (("a", "b"),)
    assert FlowDistillation(("a", "b"), ("c", "d")).pairs == (("a", "c"), ("b", "d"))


def test_mismatch_names_layers_and_shapes_in_one_line():
    error = mismatch(
        AttentionTransfer("a", "b"), {"a": (None, 4)}, {"b": (None, 5)}, "maps"
    )
    assert str(error) == (
        "AttentionTransfer cannot compare the student's 'a' (None, 4) with the "
        "teacher's 'b' (None, 5): expected maps; name other layers."
    )


def test_every_loss_is_one_that_a_recipe_can_store():
    known = {*DistillationLoss.__subclasses__(), *LayerLoss.__subclasses__()}
    ours = {kind for kind in known if kind.__module__.startswith("tfcompress.")}
    assert ours - {LayerLoss} == set(LOSSES)


def test_one_of_the_user_is_a_loss_too():
    @dataclass(frozen=True)
    class Own(DistillationLoss):
        pass

    assert (Own().name, Own().pairs, Own().reconcile({}, {})) == ("own", (), {})
