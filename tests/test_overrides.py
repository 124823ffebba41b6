import dataclasses
from typing import Literal

import pytest

from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.overrides import replace_at


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    steps: int = 3
    mode: Literal["fast", "slow"] = "fast"
    limit: int | None = None
    text: str = ""
    flag: bool = False
    size: tuple[int, int] = (1, 1)
    folder: str | None = "f"
    names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.steps < 0:
            raise InvalidArgumentError("steps must be at least 0")


@dataclasses.dataclass(frozen=True)
class OtherPart:
    rate: float = 0.5


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    parts: tuple = (Inner(), OtherPart(), Inner())
    options: dict = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("inner.rate", "0.5", 0.5),
        ("inner.rate", "2", 2.0),
        ("inner.steps", "7", 7),
        ("inner.mode", "slow", "slow"),
        ("inner.limit", "4", 4),
        ("inner.limit", "none", None),
        ("inner.text", "7", "7"),
        ("inner.text", "true", "true"),
        ("inner.flag", "true", True),
        ("inner.size", "(2, 3)", (2, 3)),
        ("inner.size", "[2, 3]", (2, 3)),
        ("inner.folder", "none", None),
        ("inner.folder", "true", "true"),
        ("inner.names", "('a', 'b')", ("a", "b")),
    ],
)
def test_text_is_read_as_the_type_of_the_field(path, text, expected):
    value = getattr(replace_at(Outer(), path, text).inner, path.split(".")[1])
    assert value == expected
    assert type(value) is type(expected)


def test_root_is_not_changed():
    root = Outer()
    replace_at(root, "inner.rate", 9.0)
    assert root == Outer()


def test_item_of_tuple_by_position_and_by_name():
    assert replace_at(Outer(), "parts.2.steps", "9").parts[2].steps == 9
    assert replace_at(Outer(), "parts.other_part.rate", "1").parts[1].rate == 1.0


def test_mapping_takes_new_keys():
    assert replace_at(Outer(), "options.alpha", "0.25").options == {"alpha": 0.25}
    assert replace_at(Outer(), "options.name", "abc").options == {"name": "abc"}


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("inner.rats", "1", "did you mean 'rate'"),
        ("iner.rate", "1", "did you mean 'inner'"),
        ("parts.othr_part.rate", "1", "did you mean 'other_part'"),
        ("parts.inner.rate", "1", "positions 0, 2"),
        ("parts.7.rate", "1", "names no field"),
        ("inner.rate", "fast", "expected a number"),
        ("inner.steps", "1.5", "expected a whole number"),
        ("inner.steps", "true", "expected a whole number"),
        ("inner.mode", "medium", "expected"),
        ("inner.rate.deeper", "1", "no fields"),
        ("inner.size", "(2,)", "expected"),
        ("inner.names", "(1, 2)", "expected"),
        ("inner.steps", "-1", "steps must be at least 0"),
    ],
)
def test_wrong_override_is_refused_in_one_line(path, text, message):
    with pytest.raises(RecipeError, match=message) as caught:
        replace_at(Outer(), path, text)
    assert "\n" not in str(caught.value)
