import dataclasses

import pytest

from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.serialization import decode, encode


@dataclasses.dataclass(frozen=True)
class Part:
    size: tuple = (1, 2)
    inner: object = None

    def __post_init__(self):
        if self.size == (0,):
            raise InvalidArgumentError("size must not be 0")


PARTS = {"Part": Part}


def test_round_trip_of_nested_parts():
    part = Part(inner={"a": Part(size=(3,)), "b": [1.5, None, True, "x"]})
    values = encode(part)
    assert values["type"] == values["inner"]["a"]["type"] == "Part"
    expected = Part(inner={"a": Part(size=(3,)), "b": (1.5, None, True, "x")})
    assert decode(values, PARTS) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"type": "Popen", "args": []}, "unknown recipe part 'Popen'"),
        ({"type": "Part", "colour": 1}, "colour"),
        ({"type": "Part", "size": [0]}, "size must not be 0"),
    ],
)
def test_what_is_no_part_is_refused(values, message):
    with pytest.raises(RecipeError, match=message):
        decode(values, PARTS)


def test_live_object_has_no_json_form():
    with pytest.raises(RecipeError, match="object, which has no JSON form"):
        encode(Part(inner=object()))


def test_defaults_are_left_out_on_request():
    part = Part(inner=(Part(size=(3,)), Part()))
    inner = [{"type": "Part", "size": [3]}, {"type": "Part"}]
    assert encode(part, defaults=False) == {"type": "Part", "inner": inner}
