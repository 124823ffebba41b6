import io

import pytest
from rich.console import Console

from tfcompress.diagnosis import Diagnosis, LayerDiagnosis
from tfcompress.diagnosis_table import diagnosis_table

LATER = "no: not in this version"


def layer(name, kernel=True, **answers):
    later = LATER if kernel else "-"
    values = {
        "type": "Conv2D",
        "output_shape": (28, 28, 8),
        "params": 1234 if kernel else 0,
        "pruning": "yes" if kernel else "-",
        "channel_pruning": later,
        "clustering": later,
        "qat": "yes",
        "int8_export": "yes",
    }
    return LayerDiagnosis(name=name, **{**values, **answers})


ROWS = (
    layer("stem"),
    layer("act", False, qat="rewritten to Activation and Multiply"),
    layer("block_expand", qat="rewritten: split off block_expand_activation"),
    layer("block_project", qat="rewritten: split off block_project_activation"),
    layer("norm", False, qat="no: no operator", int8_export="no: no operator"),
    layer("scale", qat="rewritten: folded into block_expand"),
    layer("shift", qat="rewritten: folded into stem"),
)
CHANGES = tuple((f"swish_{i}", "rewritten to HardSwish") for i in range(5))


def shown(diagnosis, width):
    text = io.StringIO()
    Console(file=text, width=width).print(diagnosis_table(diagnosis, width))
    return text.getvalue().splitlines()


@pytest.fixture(params=[80, 200])
def width(request):
    return request.param


def test_each_layer_has_a_line(width):
    lines = shown(Diagnosis("a.keras", "Fine.", ROWS), width)
    assert lines[:2] == ["a.keras", "Fine."]
    line = next(line for line in lines if line.startswith("stem "))
    assert line.split() == ["stem", "Conv2D", "28x28x8", "1,234", "yes", "yes", "yes"]
    assert all(len(line) <= width for line in lines)


def test_a_narrow_table_numbers_its_reasons_and_tells_them_once():
    lines = shown(Diagnosis("a.keras", "Fine.", ROWS), 80)
    line = next(line for line in lines if line.startswith("act "))
    assert line.split()[-4:] == ["-", "yes", "[1]", "yes"]
    line = next(line for line in lines if line.startswith("norm "))
    assert line.split()[-5:] == ["-", "no", "[3]", "no", "[3]"]
    assert lines[-5:] == [
        "[1] rewritten to Activation and Multiply (1 layer)",
        "[2] rewritten: split off *_activation (2 layers)",
        "[3] no: no operator (1 layer)",
        "[4] rewritten: folded into * (2 layers)",
        "Channel pruning, clustering: not in this version.",
    ]


def test_a_wide_table_holds_its_reasons():
    lines = shown(Diagnosis("a.keras", "Fine.", ROWS), 200)
    line = next(line for line in lines if line.startswith("act "))
    assert "rewritten to Activation and Multiply" in line
    line = next(line for line in lines if line.startswith("norm "))
    assert line.split()[-5:] == ["-", "no:", "no", "operator", "no"]
    assert not [line for line in lines if line.startswith("[")]


def test_what_differs_between_layers_gets_a_column(width):
    rows = (*ROWS, layer("head", clustering="yes"))
    lines = shown(Diagnosis("a.keras", "Fine.", rows), width)
    assert "clusters" in lines[3]
    assert "channels" not in lines[3]
    assert lines[-1] == "Channel pruning: not in this version."


def test_what_loading_changed_is_counted_with_some_names(width):
    lines = shown(Diagnosis("a.keras", "Fine.", ROWS, CHANGES), width)
    assert " ".join(lines).endswith(
        "While loading: rewritten to HardSwish "
        "(5 layers: swish_0, swish_1, swish_2, ...)"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv[/]", "conv[/]"),
        ("[red]x", "[red]x"),
        ("\x1b[2Jx", r"\x1b[2Jx"),
        (":smile:", ":smile:"),
        ("a\nb", r"a\nb"),
    ],
)
def test_names_are_shown_and_not_obeyed(name, expected, width):
    diagnosis = Diagnosis(name, name, (layer(name, type=name),), ((name, name),))
    lines = shown(diagnosis, width)
    assert lines[0] == lines[1] == expected
    assert lines[4].split()[:2] == [expected, expected]
    assert lines[-1] == f"While loading: {expected} (1 layer: {expected})"


def test_it_is_told_why_outputs_were_not_compared():
    told = Diagnosis("a.keras", "Fine.", ROWS, unchecked="a [/] reason")
    line = "Its outputs were not compared with the original's: a [/] reason."
    assert shown(told, 200)[-1] == line
    assert line not in shown(Diagnosis("a.keras", "Fine.", ROWS), 200)
