"""What the models of a recipe are made from: architectures, files, teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tf_keras as keras

from tfcompress.data import Data, Dataset
from tfcompress.errors import RecipeError
from tfcompress.field_types import check_types
from tfcompress.loading import load_model
from tfcompress.models import build
from tfcompress.stages import Stage, check_order
from tfcompress.training.initial_weights import FILE_SUFFIXES


@dataclass(frozen=True)
class Architecture:
    """One of `tfc.models` by name; input shape and classes come from the data.

    Args:
      name: such as `mobilenet_v1`.
      options: further arguments of the function, such as `{"alpha": 0.5}`.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the types of the values."""
        check_types(self, RecipeError)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A model that a recipe trains first, or only loads, for others.

    They learn from it (`Distillation(teacher="name")`), start from it
    (`Training(initial_weights="name")`) or go back to it (`Pruning(rewind="name")`).
    An architecture without stages has the weights it is initialised with.

    Args:
      model: an architecture, or the path of a Keras file.
      stages: how it is trained, and perhaps pruned; empty takes the file as it is.
      data: what it is trained and tested on; None is the data of the recipe.

    Raises:
      RecipeError: a stage would undo an earlier one.
    """

    model: Architecture | str
    stages: tuple[Stage, ...] = ()
    data: Data | None = None

    def __post_init__(self) -> None:
        """Refuses stages in an order that does not hold."""
        check_types(self, RecipeError)
        check_order(self.stages)


def build_model(source: Architecture | str, data: Dataset) -> keras.Model:
    """Returns the untrained architecture, or the user's model, that a recipe names."""
    if isinstance(source, Architecture):
        return build(source.name, data.input_shape, data.num_classes, **source.options)
    return load_model(source)


def named_models(stages: Sequence[Any]) -> list[Any]:
    """Returns the models, by name or file, that stages learn or start from."""
    objectives = [getattr(stage, "objective", None) for stage in stages]
    named = [name for o in objectives if o for name in o.named_teachers]
    for setting in ("initial_weights", "rewind"):
        named += [getattr(stage, setting, None) for stage in stages]
    return [name for name in named if name is not None]


def check_named_models(stages: Sequence[Any], known: Sequence[str]) -> None:
    """Refuses a model that is neither one of `known` nor a model file."""
    for stage in stages:
        for name in named_models([stage]):
            if name in known:
                continue
            if not isinstance(name, str):
                raise RecipeError(
                    f"{type(stage).__name__} has a {type(name).__name__} as its "
                    "teacher, which a recipe cannot store; give a text: the name of "
                    "one of Recipe.teachers, or the path of a file"
                )
            if Path(name).suffix not in FILE_SUFFIXES:
                raise RecipeError(
                    f"{type(stage).__name__} names {name!r}, but the teachers before "
                    f"it are {list(known) or 'none'}; add it to Recipe.teachers, or "
                    "give the path of a .keras or .h5 file"
                )
