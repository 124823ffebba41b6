"""What the command line does with a stranger's model file, in a child process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def profile(path: str, max_bytes: int, allow_unsafe: bool) -> dict[str, Any]:
    """Returns the profile of a Keras file as JSON values."""
    from tfcompress.profiling.keras_model import profile_keras_model

    if allow_unsafe:
        from tfcompress.loading.unsafe import load_unsafe

        _find_own_code()
        model = load_unsafe(path)
    else:
        # Counts need no comparison of outputs, which takes as long as all the rest.
        model = _model(path, max_bytes, check_outputs=False)
    return profile_keras_model(model, Path(path)).to_dict()


def diagnose(path: str, max_bytes: int, allow_unsafe: bool) -> dict[str, Any]:
    """Returns the diagnosis of a Keras file as JSON values."""
    from tfcompress import diagnosis

    if allow_unsafe:
        trust(path)
    return diagnosis.diagnose(path, max_bytes=max_bytes).to_dict()


def try_to_load(
    path: str, max_bytes: int, allow_unsafe: bool, recipe_file: str
) -> None:
    """Loads a file that a recipe names, with the classes that the recipe registers."""
    from tfcompress.recipe import load_recipe

    load_recipe(recipe_file)
    if allow_unsafe:
        trust(path)
    _model(path, max_bytes)


def _model(path: str, max_bytes: int, check_outputs: bool = True) -> Any:
    from tfcompress.loading.load import load_model

    return load_model(path, max_bytes=max_bytes, check_outputs=check_outputs)


def trust(path: str) -> None:
    """Lets this process load a file of classes of the user's own, and run their code.

    Raises:
      ModelError: Keras cannot read the file, or those layers are Keras 3's.
    """
    from tfcompress.loading.unsafe import trust_classes

    _find_own_code()
    trust_classes(path)


def _find_own_code() -> None:
    """Lets Keras import the user's own classes from the current folder."""
    sys.path.append(str(Path.cwd()))
