"""`tfcompress run`: a recipe, from data to report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from tfcompress.cli.command import Command, UsageError, new_flags
from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags
from tfcompress.errors import PromiseNotMetError, RecipeError

if TYPE_CHECKING:
    from tfcompress.cli.noise import Terminal
    from tfcompress.recipe import Recipe
    from tfcompress.reporting.report import Report


def command() -> Command:
    """Returns the `run` command."""
    values = new_flags()
    for name, default, text in (
        ("workdir", None, "Folder of the run (default: runs/NAME_OF_RECIPE)."),
        ("data_dir", None, "Folder that holds the data set, if it is not found."),
        ("results", None, "CSV file to add the result to, as recipes/results.csv."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=values)
    flags.DEFINE_integer(
        "seed", None, "Seed of all random choices.", flag_values=values
    )
    flags.DEFINE_multi_string(
        "set",
        [],
        "Another value for a field, as stages.0.epochs=3; may be repeated.",
        flag_values=values,
    )
    for name, text in (
        ("smoke", "Run every step in seconds, on little data."),
        ("fresh", "Start over, instead of going on where the run stopped."),
    ):
        flags.DEFINE_boolean(name, False, text, flag_values=values)
    define_model_flags(values)
    return Command(
        usage="tfcompress run RECIPE.py",
        summary="Runs a recipe: trains, compresses, exports, measures, reports.",
        examples=(
            "tfcompress run recipes/quickstart.py",
            "tfcompress run recipes/quickstart.py --smoke --workdir=runs/try",
            "tfcompress run recipes/quickstart.py --set=stages.0.epochs=8 --fresh",
        ),
        groups={
            "What to change in the recipe": ("set", "seed", "data_dir", "smoke"),
            "How to open its model files": MODEL_FLAGS,
            "Where and how": ("workdir", "fresh", "results", "debug"),
        },
        run=lambda words: _run(values, words),
        flags=values,
    )


def run_as_script(recipe_file: str) -> NoReturn:
    """Makes a recipe file a program with the flags of `tfcompress run`.

    Args:
      recipe_file: `__file__` of the recipe.

    Example:
      >>> if __name__ == "__main__":
      ...     tfc.run_as_script(__file__)
    """
    from tfcompress.cli.main import main

    sys.exit(main(["run", recipe_file, *sys.argv[1:]]))


def _run(values: flags.FlagValues, words: list[str]) -> int:
    if len(words) != 1:
        raise UsageError(f"expected one RECIPE.py, got {len(words)}")
    overrides = [tuple(text.partition("=")[::2]) for text in values.set]
    if not all("=" in text for text in values.set):
        raise UsageError("--set takes path=value, as --set=stages.0.epochs=3")
    if values.seed is not None:
        overrides.append(("seed", str(values.seed)))
    recipe_file = Path(words[0])
    if not recipe_file.is_file():
        raise RecipeError.not_a_file(words[0])
    _check_syntax(recipe_file)
    name = recipe_file.stem + ("_smoke" if values.smoke else "")
    workdir = Path(values.workdir or Path("runs") / name)
    from tfcompress.cli.noise import noise_to

    with noise_to(None):
        from tfcompress.recipe import load_recipe
        from tfcompress.reporting.results import read_results

        recipe = load_recipe(recipe_file)
        if values.data_dir is not None:
            recipe = _with_data_dir(recipe, values.data_dir)
        if values.smoke:
            recipe = recipe.smoke()
        for path, text in overrides:
            recipe = recipe.override(path, text)
        if values.results and Path(values.results).exists():
            read_results(values.results)
        _try_model_files(recipe, recipe_file, values)
    with noise_to(workdir / "run.log") as terminal:
        report = _run_recipe(recipe, workdir, values, terminal)
        print(report.headline(workdir), file=terminal.out)
    return 0


def _run_recipe(
    recipe: Recipe, workdir: Path, values: flags.FlagValues, terminal: Terminal
) -> Report:
    from tfcompress.pipeline import run_recipe
    from tfcompress.reporting.results import append_result
    from tfcompress.training.progress import Progress

    progress = Progress(terminal.err)
    report: Report | None = None
    try:
        report = run_recipe(recipe, workdir, fresh=values.fresh, progress=progress)
    except PromiseNotMetError as error:
        report = error.report
        raise
    finally:
        progress.close()
        if values.results and report is not None:
            append_result(values.results, report)
    return report


def _with_data_dir(recipe: Recipe, folder: str) -> Recipe:
    """Returns a recipe that looks for its data set in `folder`, wherever it uses it."""
    parts = {"data": recipe.data}
    for name, teacher in recipe.teachers.items():
        if teacher.data is not None:
            parts[f"teachers.{name}.data"] = teacher.data
    for path, data in parts.items():
        if data.name == recipe.data.name:
            recipe = recipe.override(f"{path}.data_dir", folder)
    return recipe


def _try_model_files(
    recipe: Recipe, recipe_file: Path, values: flags.FlagValues
) -> None:
    """Loads the model files that a recipe names in a child, before this process does.

    What is harmless there is harmless here: loading runs nothing that a file brings.
    """
    for source in dict.fromkeys(recipe.model_files):
        call_on_model("try_to_load", source, values, str(recipe_file))
        if values.allow_unsafe:
            from tfcompress.loading.unsafe import trust_classes

            trust_classes(source)


def _check_syntax(recipe_file: Path) -> None:
    """Refuses what is no Python before seconds go into loading TensorFlow."""
    try:
        compile(recipe_file.read_bytes(), str(recipe_file), "exec")
    except (SyntaxError, ValueError) as error:
        raise RecipeError(
            f"recipe {str(recipe_file)!r} is not a Python program: {error}; recipes "
            "are .py files that define RECIPE"
        ) from error
