"""Recipe: what to do, as one readable value; overrides, JSON, loading from a file."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfcompress.data import Augmentation, Data
from tfcompress.errors import InvalidArgumentError, RecipeError
from tfcompress.export import Export, MostSensitive
from tfcompress.field_types import check_types
from tfcompress.ingredients import (
    Architecture,
    Teacher,
    check_named_models,
    named_models,
)
from tfcompress.overrides import replace_at
from tfcompress.quality.robustness.perturbations import Perturbations
from tfcompress.quantization.calibration import Calibration
from tfcompress.serialization import decode, encode
from tfcompress.stages import (
    ChannelPruning,
    Clustering,
    LayerPruning,
    Pruning,
    QuantizationAware,
    SparsityTraining,
    Stage,
    Training,
    check_order,
)
from tfcompress.training.distillation import LOSSES, MeanTeacher
from tfcompress.training.objectives import Distillation
from tfcompress.training.schedules import CosineDecay


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Model, data, stages and export: all that a run does, before it does any of it.

    Args:
      name: shown in the report; `load_recipe` takes the file's name if it is empty.
      data: which data set, and how it is augmented.
      model: an architecture, or the path of a Keras file.
      stages: what is done to the model, in this order.
      export: how the last model becomes a `.tflite` file.
      teachers: models by name, trained first, for `Distillation(teacher="name")`,
        `Training(initial_weights="name")` and `Pruning(rewind="name")`.
      seed: every random choice of the run derives from it.
      max_top1_drop: accuracy budget as a fraction (0.015 is 1.5 points); a run that
        loses more against its float32 baseline ends with exit code 3. None: no budget.
        A negative one demands a gain.
      robustness: changes of images to try the artifact and the baseline on, for the
        report; None tries none.
      smoke_overrides: what `smoke` sets beside one epoch a stage and little data, as
        `{"data.name": "fashion_mnist_small"}`.

    Raises:
      RecipeError: a stage would undo an earlier one, a teacher is not defined, an
        architecture is not trained before it is compressed, or the export does not
        fit the stages.
    """

    name: str = ""
    data: Data
    model: Architecture | str
    stages: tuple[Stage, ...]
    export: Export = field(default_factory=Export)
    teachers: Mapping[str, Teacher] = field(default_factory=dict)
    seed: int = 0
    max_top1_drop: float | None = None
    robustness: Perturbations | None = None
    smoke_overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what cannot work before anything is trained."""
        check_types(self, RecipeError)
        known: list[str] = []
        for name, teacher in self.teachers.items():
            check_named_models(teacher.stages, known)
            known.append(name)
        check_named_models(self.stages, known)
        check_order(self.stages)
        self._check_ends()

    def _check_ends(self) -> None:
        """Refuses a start without a baseline, and an export that QAT does not fit."""
        first = self.stages[0] if self.stages else None
        if isinstance(self.model, Architecture) and not (
            isinstance(first, Training) and first.epochs
        ):
            raise RecipeError(
                f"{self.model.name!r} has random weights and nothing trains it before "
                "it is compressed and compared; begin with Training(epochs=...), or "
                "give the file of a trained model"
            )
        quantized = any("quantization" in stage.provides for stage in self.stages)
        if quantized:
            try:
                self.export.check_fits_quantized()
            except InvalidArgumentError as error:
                raise RecipeError(str(error)) from error
        budget = self.max_top1_drop
        if budget is not None and not -1 <= budget <= 1:
            raise RecipeError(
                f"max_top1_drop is {budget}; it is a fraction, so write 0.015 for 1.5 "
                "points"
            )

    def override(self, path: str, value: Any) -> Recipe:
        """Returns this recipe with one field replaced.

        Args:
          path: dotted, such as `stages.1.epochs`, `stages.pruning.final_sparsity`,
            `data.augmentation.shift` or `model.options.alpha`.
          value: the new value, or a text that is read as the type of the field.

        Raises:
          RecipeError: no such field (with the nearest name), or a wrong type.
        """
        overridden: Recipe = replace_at(self, path, value)
        return overridden

    def smoke(self) -> Recipe:
        """Returns a variant that runs every step of this recipe in seconds."""
        small = self
        teachers = self.teachers.items()
        chains = [("stages", self.stages)]
        chains += [(f"teachers.{name}.stages", t.stages) for name, t in teachers]
        for path, stages in chains:
            for place, stage in enumerate(stages):
                thaws = getattr(stage, "thaw_after", None) is not None
                if thaws:
                    small = small.override(f"{path}.{place}.thaw_after", 1)
                small = small.override(f"{path}.{place}.epochs", 2 if thaws else 1)
        own_data = [f"teachers.{name}.data" for name, t in teachers if t.data]
        for path in ("data", *own_data):
            small = small.override(f"{path}.num_train", 320)
            small = small.override(f"{path}.num_test", 200)
        small = replace(small, max_top1_drop=None)
        if "data.name" in self.smoke_overrides:
            small = small.override("data.data_dir", None)
        for path, value in self.smoke_overrides.items():
            small = small.override(path, value)
        return replace(small, name=f"{self.name}_smoke" if self.name else "smoke")

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values from which `from_dict` makes an equal recipe."""
        encoded: dict[str, Any] = encode(self)
        return encoded

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Returns the recipe that `to_dict` wrote.

        Raises:
          RecipeError: an unknown type or field; nothing but recipe parts is made.
        """
        recipe = decode(values, _PARTS)
        if not isinstance(recipe, cls):
            raise RecipeError("the JSON does not hold a Recipe; was it cut or edited?")
        return recipe

    @property
    def model_files(self) -> list[str]:
        """The model files that the recipe names, wherever it does."""
        stages = [*self.stages, *(s for t in self.teachers.values() for s in t.stages)]
        sources = [self.model, *(teacher.model for teacher in self.teachers.values())]
        named = [name for name in named_models(stages) if name not in self.teachers]
        return [source for source in (*sources, *named) if isinstance(source, str)]

    @property
    def digest(self) -> str:
        """SHA-256 over all that the artifact depends on, but the data's content.

        Settings and the model files that they name count; name, budget and
        robustness do not. A
        setting at its default does not either, so that an option which tfcompress
        gains later leaves the digest as it is.
        """
        values = encode(self, defaults=False)
        for name in ("name", "max_top1_drop", "robustness", "smoke_overrides"):
            values.pop(name, None)
        for part in (values, *values.get("teachers", {}).values()):
            part.get("data", {}).pop("data_dir", None)
        hasher = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
        for path in self.model_files:
            if Path(path).is_file():
                hasher.update(Path(path).read_bytes())
        return hasher.hexdigest()


_PARTS = {
    part.__name__: part
    for part in (
        Architecture,
        Augmentation,
        Calibration,
        CosineDecay,
        Data,
        Distillation,
        Export,
        ChannelPruning,
        Clustering,
        LayerPruning,
        MeanTeacher,
        MostSensitive,
        Perturbations,
        Pruning,
        QuantizationAware,
        Recipe,
        SparsityTraining,
        Teacher,
        Training,
        *LOSSES,
    )
}


def load_recipe(path: str | Path) -> Recipe:
    """Runs a recipe file and returns its `RECIPE`, named after the file.

    A recipe is the user's own Python program: only run files you would run.

    Raises:
      RecipeError: no such file, an error inside it, or no `RECIPE` in it.
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError.not_a_file(path)
    module_name = "tfcompress_recipe_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{str(path)!r} is not a Python file; recipes end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except RecipeError:
        raise
    except (Exception, SystemExit) as error:
        reason = str(error).rstrip(".")
        raise RecipeError(
            f"recipe {str(path)!r} failed with {type(error).__name__}: {reason}; "
            "mend the file (--debug shows where)"
        ) from error
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise RecipeError(
            f"recipe {str(path)!r} defines no RECIPE = tfc.Recipe(...) at its top level"
        )
    return recipe if recipe.name else replace(recipe, name=path.stem)
