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
    {"errors", "storage", "overrides"},
    {"run"},
    {"models", "data", "loading"},
    {"training"},
    {"stages", "export", "profiling"},
    {"recipe"},
    {"pipeline"},
    {"cli"},
)


def room(path):
    """Returns the folder of the package, or the top-level module, a file is in."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def floor(name):
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


def imports(path):
    """Yields the rooms that a file imports when it is itself imported or called."""
    tree = ast.parse(path.read_text())
    type_checking = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in type_checking:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tfcompress" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize(
    "path",
    [m for m in MODULES if room(m) not in ("__init__", "__main__")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_imports_point_one_way(path):
    here = floor(room(path))
    assert here is not None, f"{room(path)} has no floor: add it to FLOORS"
    upwards = {name for name in imports(path) if floor(name) > here}
    assert not upwards, f"{path} imports {upwards}, which stand above it"


def test_no_module_is_a_drawer_for_everything():
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert not names & {"utils", "helpers", "common", "misc"}


def test_every_module_has_a_test_file_of_its_name():
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.name not in ("__init__.py", "__main__.py")
        and f"test_{path.name}" not in tests
    ]
    assert not missing


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
