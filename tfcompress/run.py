"""Run: what a stage is given besides the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfcompress.field_types import check_types, refusal

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset
    from tfcompress.training.progress import Progress
else:
    # They stand above this module.
    Dataset = Progress = Any


def derive_seed(seed: int, *path: str | int) -> int:
    """Returns a seed in [0, 2**31) that depends on `seed` and a path of names.

    Each stage draws from its own stream, so that a run resumed at stage 3 sees the
    same random numbers as one that never stopped.
    """
    text = "/".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class Run:
    """Data, folder, seed and facts of one run; every stage is called with one.

    Args:
      data: the data set that stages train, calibrate and validate on.
      workdir: folder for checkpoints, TensorBoard logs and the artifact; made when
        something is first written.
      seed: every random choice derives from it.
      teachers: trained models by name, for `Distillation(teacher="name")`.
      progress: where training tells how far it is; None is silent.
      stage: name of the stage under way, such as `01_pruning`; part of the seed.
      label: names the folders of a stage that is called outside a recipe.
      facts: what the stage wants in the report, filled through `note`.

    Example:
      >>> run = tfc.Run(data=tfc.data.load("fashion_mnist_small"), workdir="runs/a")
      >>> model = tfc.Training(epochs=2)(model, run)
    """

    data: Dataset
    workdir: str | Path = "runs/default"
    seed: int = 0
    teachers: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    stage: str = ""
    label: str = "interactive"
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(self)
        if not hasattr(self.data, "train_batches"):
            raise refusal(self, "data", "a data set, as tfc.data.load(name) returns it")
        if self.progress is not None and not hasattr(self.progress, "epoch"):
            raise refusal(self, "progress", "a tfc.Progress() or None")

    @property
    def stage_dir(self) -> Path:
        """Folder of the stage under way, under `workdir/stages`."""
        return Path(self.workdir) / "stages" / (self.stage or self.label)

    @property
    def tensorboard_dir(self) -> Path:
        """Folder of the event files of the stage under way."""
        return Path(self.workdir) / "tensorboard" / (self.stage or self.label)

    @property
    def stage_seed(self) -> int:
        """Seed of the stage under way."""
        return derive_seed(self.seed, self.stage)

    def for_stage(self, stage: str) -> Run:
        """Returns this run with another stage under way and no facts yet."""
        return replace(self, stage=stage, facts={})

    def note(self, **facts: Any) -> None:
        """Adds facts (JSON values) to the row of the stage in the report."""
        self.facts.update(facts)
