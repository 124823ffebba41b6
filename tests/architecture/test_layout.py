"""The layout promises of WORKSPACE_NOTES.md, so that they cannot rot."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tfcompress"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Imports point from a later floor to an earlier one, or stay on their own.
FLOORS = (
    {
        *("errors", "field_types", "naming", "storage", "overrides", "serialization"),
        *("child", "child_worker"),
    },
    {"run", "layers"},
    {"rewriting"},
    {"models", "data", "loading"},
    {"quantization", "channels"},
    {"training"},
    {"export", "profiling", "quality", "engines", "sensitivity", "reporting"},
    {"stages"},
    {"diagnosis", "diagnosis_answers", "diagnosis_table"},
    {"ingredients"},
    {"recipe"},
    {"chain"},
    {"measurement"},
    {"pipeline"},
    {"cli"},
)


def room(path):
    """Returns the folder of the package, or the top-level module, a file is in."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def floor(name):
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


def imports(code):
    """Yields the rooms that a module imports when it is itself imported or called.

    What is no room is yielded too, and stands on no floor: the package itself, whose
    public names would lead around this check, and relative imports.
    """
    tree = ast.parse(code)
    type_checking = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in type_checking:
            continue
        names = []
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
            if names == ["tfcompress"]:
                names = [f"tfcompress.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "tfcompress":
                yield rest.split(".")[0] or first
            elif not first:
                yield name


@pytest.mark.parametrize(
    "path",
    [m for m in MODULES if room(m) not in ("__init__", "__main__")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_imports_point_one_way(path):
    here = floor(room(path))
    assert here is not None, f"{room(path)} has no floor: add it to FLOORS"
    imported = set(imports(path.read_text()))
    unknown = {name for name in imported if floor(name) is None}
    assert not unknown, f"{path} imports {unknown}: write `from tfcompress.ROOM import`"
    upwards = {name for name in imported if floor(name) > here}
    assert not upwards, f"{path} imports {upwards}, which stand above it"


@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("import tfcompress.cli.main", ["cli"]),
        ("import tfcompress as tfc", ["tfcompress"]),
        ("from tfcompress.cli.main import main", ["cli"]),
        ("from tfcompress import pipeline, chain", ["pipeline", "chain"]),
        ("from .. import recipe", [".."]),
        ("from ..cli import main", ["..cli"]),
        ("def late():\n    from tfcompress import cli", ["cli"]),
        ("if TYPE_CHECKING:\n    from tfcompress import cli", []),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import tfcompress.cli", ["cli"]),
        ("import tensorflow\nfrom numpy import array", []),
    ],
)
def test_imports_are_seen_however_they_are_written(code, rooms):
    assert list(imports(code)) == rooms


def test_no_import_is_relative():
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_no_module_is_a_drawer_for_everything():
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert not names & {"utils", "helpers", "common", "misc"}


def test_every_module_has_a_test_file_in_its_place():
    twins = [
        ROOT / "tests" / path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
    ]
    assert not [str(twin.relative_to(ROOT)) for twin in twins if not twin.is_file()]


def test_top_level_holds_nothing_else():
    allowed = {
        "README.md",
        "pyproject.toml",
        "WORKSPACE_NOTES.md",
        "LICENSE",
        "tfcompress",
        "recipes",
        "tests",
        "notebooks",
        "runs",
        "build",
    }
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - allowed <= {"tfcompress.egg-info"}


def test_modules_and_functions_stay_readable():
    too_long = []
    for path in MODULES:
        text = path.read_text()
        if text.count("\n") > 300:
            too_long.append(f"{path.name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if lines > 40:
                    too_long.append(f"{path.name}:{node.name}: {lines} lines")
    assert not too_long


def test_every_dependency_is_explained():
    project = (ROOT / "pyproject.toml").read_text()
    notes = (ROOT / "WORKSPACE_NOTES.md").read_text()
    block = project.split("dependencies = [")[1].split("]")[0]
    for name in re.findall(r'"([a-zA-Z0-9_-]+)', block):
        assert f"`{name}`" in notes, f"say in WORKSPACE_NOTES.md why {name} is needed"
