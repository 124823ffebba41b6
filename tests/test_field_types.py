import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pytest

from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.field_types import (
    accepts,
    check_seed,
    check_types,
    describe,
    describe_value,
    refusal,
)


@dataclasses.dataclass(frozen=True)
class Part:
    rate: float = 0.5
    steps: int | None = None
    mode: Literal["fast", "slow"] = "fast"
    flag: bool = False
    names: tuple[str, ...] = ()
    size: tuple[int, int] = (1, 2)
    share: Mapping[str, float] = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    score: str | Callable[[int], int] = "l1"
    inner: "Part | None" = None

    def __post_init__(self):
        check_types(self)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "0.8"}, "Part rate='0.8' must be a number, such as 0.5, not a str"),
        ({"rate": True}, "Part rate=True must be a number, such as 0.5, not a bool"),
        (
            {"rate": float("nan")},
            "Part rate=nan must be a number, such as 0.5, not nan",
        ),
        (
            {"rate": float("inf")},
            "Part rate=inf must be a number, such as 0.5, not inf",
        ),
        ({"steps": 1.0}, "Part steps=1.0 must be a whole number or None, not a float"),
        ({"mode": "medium"}, "Part mode='medium' must be 'fast' or 'slow'"),
        ({"mode": ["fast"]}, "Part mode=['fast'] must be 'fast' or 'slow'"),
        ({"flag": None}, "Part flag=None must be True or False, not None"),
        (
            {"names": "conv"},
            "Part names='conv' must be a tuple, each item a text, such as ('conv',), "
            "not a str",
        ),
        ({"names": ["a", 3]}, "Part names[1]=3 must be a text, not an int"),
        (
            {"size": (1, 2, 3)},
            "Part size=(1, 2, 3) must be (a whole number, a whole number), such as "
            "(1, 2), not a tuple",
        ),
        (
            {"share": 0.5},
            "Part share=0.5 must be a mapping of a text to a number, not a float",
        ),
        (
            {"share": {"macs": "a"}},
            "Part share['macs']='a' must be a number, not a str",
        ),
        ({"share": {3: 0.5}}, "Part share key=3 must be a text, not an int"),
        ({"facts": 3}, "Part facts=3 must be a dict, not an int"),
        (
            {"score": 3},
            "Part score=3 must be a text or a function, such as 'l1', not an int",
        ),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_named_in_one_line(values, message):
    with pytest.raises(InvalidArgumentError) as caught:
        Part(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 1},
        {"steps": 3},
        {"size": (5, 6)},
        {"share": {"macs": 1}},
        {"facts": {"a": len}},
        {"score": abs},
        {"inner": Part()},
    ],
    ids=str,
)
def test_what_is_declared_is_taken_as_it_is(values):
    ((name, value),) = values.items()
    assert getattr(Part(**values), name) is value


def test_a_class_is_not_its_instance():
    with pytest.raises(InvalidArgumentError, match="not the class Part itself"):
        Part(inner=Part)


def test_sequences_become_tuples():
    assert Part(names=["a", "b"]).names == ("a", "b")
    assert Part(size=range(2)).size == (0, 1)


def test_the_error_is_of_the_class_that_is_asked_for():
    part = Part()
    object.__setattr__(part, "rate", "fast")
    with pytest.raises(RecipeError, match="Part rate='fast'"):
        check_types(part, RecipeError)


def test_long_values_are_cut():
    with pytest.raises(InvalidArgumentError) as caught:
        Part(rate="x" * 10_000)
    assert len(str(caught.value)) < 100


def test_range_errors_have_the_same_form():
    assert str(refusal(Part(rate=2.0), "rate", "below 1.")) == (
        "Part rate=2.0 must be below 1."
    )


def test_types_in_words():
    assert describe(tuple[str, ...] | None) == "a tuple, each item a text, or None"
    assert describe(Mapping[str, Any]) == "a mapping of a text to a value"
    assert describe(Part | int) == "a Part or a whole number"
    assert accepts(Any, object())


def test_values_in_words():
    values = (3, "a", None, int, float("nan"))
    words = ["an int", "a str", "None", "the class int itself", "nan"]
    assert list(map(describe_value, values)) == words


@pytest.mark.parametrize("seed", ["a", None, 1.5, -1, True])
def test_a_seed_that_makes_no_generator_is_refused(seed):
    with pytest.raises(InvalidArgumentError, match=f"seed={seed!r} must be a whole"):
        check_seed(seed)


def test_seeds_of_numpy_are_seeds():
    check_seed(0)
    check_seed(np.int64(3))
