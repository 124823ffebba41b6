import pytest

from tfcompress.errors import InvalidArgumentError
from tfcompress.training.fit import Fit
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay


def test_takes_what_it_documents():
    fit = Fit(
        epochs=1,
        batch_size=1,
        optimizer="sgd",
        learning_rate=CosineDecay(),
        weight_decay=5e-4,
        label_smoothing=0.1,
        early_stopping=1,
        restore_best_weights=True,
        objective=Distillation("teacher"),
    )
    assert fit.objective == Distillation("teacher")
    assert Fit(epochs=0).objective is None


def test_an_objective_needs_training():
    with pytest.raises(InvalidArgumentError, match=r"epochs=0 must be 1 .* objective"):
        Fit(epochs=0, objective=Distillation("teacher"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"epochs": 1.5},
        {"epochs": True},
        {"batch_size": 0},
        {"optimizer": "adma"},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"weight_decay": -1e-4},
        {"label_smoothing": 1.0},
        {"early_stopping": 0},
        {"restore_best_weights": 1},
        {"objective": "teacher"},
    ],
)
def test_refuses_values_out_of_range(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(InvalidArgumentError, match=f"Fit {name}={value!r}"):
        Fit(**wrong)


def test_offers_the_nearest_optimizer():
    with pytest.raises(InvalidArgumentError, match="Did you mean 'adam'"):
        Fit(optimizer="adma")


def test_a_subclass_is_named_by_its_own_name():
    class Pruning(Fit):
        pass

    with pytest.raises(InvalidArgumentError, match="Pruning epochs=-1"):
        Pruning(epochs=-1)
