import pytest

from tfcompress.errors import ModelError
from tfcompress.loading.calls import Reference, ends, read_arguments

A, B = Reference("a", 0, 0), Reference("b", 1, 2)


def tensor(name, call=0, output=0):
    history = {"keras_history": [name, call, output], "shape": [None], "dtype": "x"}
    return {"class_name": "__keras_tensor__", "config": history}


@pytest.mark.parametrize(
    ("node", "listed", "args", "kwargs"),
    [
        ([["a", 0, 0, {}]], False, [A], {}),
        ([["a", 0, 0, {}]], True, [[A]], {}),
        ([["a", 0, 0]], False, [A], {}),
        (["a", 0, 0, {"y": 2.0}], True, [A], {"y": 2.0}),
        (["a", 0, 0, {"y": ["b", 1, 2]}], True, [A], {"y": B}),
        ([["a", 0, 0, {}], ["b", 1, 2, {}]], False, [[A, B]], {}),
        ([[["a", 0, 0, {"axis": 1}], ["b", 1, 2, {}]]], True, [[A, B]], {"axis": 1}),
        (["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0]}], True, [1.0], {"y": A}),
        (
            ["a", 0, 0, {"slice_spec": [{"start": 1, "stop": None, "step": 2}, 0]}],
            True,
            [A],
            {"slice_spec": [slice(1, None, 2), 0]},
        ),
        (
            ["a", 0, 0, {"slice_spec": [{"class_name": "__ellipsis__"}]}],
            True,
            [A],
            {"slice_spec": [Ellipsis]},
        ),
        (
            {"args": [tensor("a"), 3], "kwargs": {"mask": None}},
            0,
            [A, 3],
            {"mask": None},
        ),
        ({"args": [[tensor("a"), tensor("b", 1, 2)]], "kwargs": {}}, 0, [[A, B]], {}),
        (
            {
                "args": [
                    {
                        "class_name": "__slice__",
                        "config": {"start": 0, "stop": 4, "step": None},
                    }
                ]
            },
            0,
            [slice(0, 4, None)],
            {},
        ),
        (
            {"args": [{"class_name": "__numpy__", "config": {"value": [1.0, 2.0]}}]},
            0,
            [[1.0, 2.0]],
            {},
        ),
    ],
)
def test_calls_of_both_keras_are_read(node, listed, args, kwargs):
    assert read_arguments(node, "layer", bool(listed)) == (args, kwargs)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (3, "the calls of layer conv are damaged"),
        ([], "the calls of layer conv are damaged"),
        ([["a", 0, 0, 7]], "the calls of layer conv are damaged"),
        ([["a", -1, 0, {}]], "the calls of layer conv are damaged"),
        ([["a", True, 0, {}]], "the calls of layer conv are damaged"),
        ([["a"], ["b"]], "layer conv is called with several lists"),
        (
            {"args": [{"class_name": "__keras_tensor__"}]},
            "calls of layer conv are dama",
        ),
        ({"args": [{"class_name": "__lambda__", "config": {}}]}, "uses __lambda__"),
        ({"args": [], "kwargs": {"x": {"class_name": "f"}}}, "layer conv uses f"),
    ],
)
def test_damage_and_unknown_values_are_told(node, told):
    with pytest.raises(ModelError, match=told):
        read_arguments(node, "conv", listed=False)


@pytest.mark.parametrize(
    "value",
    [["a", 0, 0], [["a", 0, 0]], {"x": ["a", 0, 0]}, [{"x": [["a", 0, 0]]}]],
)
def test_ends_are_found_in_any_structure(value):
    assert list(ends(value)) == [A]
