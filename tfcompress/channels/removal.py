"""Removing channels from a model, from the scores of its groups to a smaller model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import tf_keras as keras

from tfcompress.channels.cost import Cost, measure_cost
from tfcompress.channels.dependency import (
    Dependencies,
    find_dependencies,
    remove_channels,
)
from tfcompress.channels.families import Family, Limits, find_families, find_units
from tfcompress.channels.importance import (
    IMPORTANCES,
    Importance,
    Reduction,
    needs_images,
    score_groups,
)
from tfcompress.channels.kernels import DEPTHWISE
from tfcompress.channels.selection import select
from tfcompress.channels.statistics import kernel_statistics, measure_channels
from tfcompress.rewriting.float32 import in_float32
from tfcompress.rewriting.graph import Graph

Ranking = Literal["global", "layer"]
_UNEVEN = "too few channels, or parts that have to stay equal"


@dataclass(frozen=True, eq=False)
class Removable:
    """A model and all that is known of the channels that it can lose.

    Args:
      model: a canonical model; it is never changed.
      ignore: names of layers whose output channels are kept.
    """

    model: keras.Model
    ignore: Sequence[str] = field(default=())

    @cached_property
    def graph(self) -> Graph:
        """The calls of the model; its own layers, where they compute in float32."""
        return Graph.from_model(in_float32(self.model))

    @cached_property
    def dependencies(self) -> Dependencies:
        """Which channels live or die together."""
        return find_dependencies(self.graph, self.ignore)

    @cached_property
    def cost(self) -> Cost:
        """What the model costs as a function of what it keeps."""
        return measure_cost(self.graph, self.dependencies)

    @cached_property
    def families(self) -> list[Family]:
        """Groups of channels that can be taken out, by the layers that have them."""
        return find_families(self.dependencies.groups, self.cost)

    @property
    def everything(self) -> np.ndarray:
        """(number of groups,) of True: nothing is taken out."""
        return np.ones(len(self.dependencies.groups), bool)

    def scores(
        self,
        importance: str | Importance,
        sample: Callable[[], tuple[np.ndarray, np.ndarray]],
        seed: int,
        reduction: Reduction = "mean",
        normalize: bool = True,
    ) -> np.ndarray:
        """Returns (number of groups,) how much each matters; inf if nothing is known.

        Args:
          importance: one of `IMPORTANCES`, or a function of `LayerStatistics`.
          sample: returns images and labels, where activations are asked for.
          seed: of the importance `random`.
          reduction: see `score_groups`.
          normalize: see `score_groups`.
        """
        measured: dict[str, Any] = {}
        if needs_images(importance):
            measured = measure_channels(self.graph, *sample())
        scores = score_groups(
            importance if callable(importance) else IMPORTANCES[importance],
            kernel_statistics(self.graph, seed, measured),
            {kernel.name: kernel for kernel in self.cost.kernels},
            len(self.dependencies.groups),
            reduction,
            normalize,
        )
        return np.nan_to_num(scores, nan=np.inf)

    def choose(
        self,
        scores: np.ndarray,
        limits: Limits,
        ranking: Ranking,
        measure: Callable[[np.ndarray], float],
        target: float,
        lowest: float | None = None,
    ) -> np.ndarray:
        """Returns which groups to keep so that the model costs what it should.

        Args:
          scores: (number of groups,) how much each matters.
          limits: how far to go in each family.
          ranking: `global` takes what matters least in the whole model, `layer` the
            same share of every family.
          measure: cost of what is kept.
          target: of it.
          lowest: that it should not be below; see `select`.
        """
        groups = self.dependencies.groups
        units = find_units(self.families, groups, scores, limits)
        units.sort(key=lambda u: u.score if ranking == "global" else u.share)
        return select(units, len(groups), measure, target, lowest)

    def without(self, keep: np.ndarray) -> keras.Model:
        """Returns a smaller model with the groups that are kept.

        Args:
          keep: (number of groups,) whether each stays.
        """
        graph = Graph.from_model(self.model)
        # The same walk gives the same groups.
        remove_channels(graph, find_dependencies(graph, self.ignore), keep)
        return graph.to_model()

    def widths(self, keep: np.ndarray) -> dict[str, tuple[int, int]]:
        """Returns the output channels of each layer with a kernel: before and after."""
        return {
            kernel.name: (kernel.outputs.size, int(keep[kernel.outputs].sum()))
            for kernel in self.cost.kernels
        }

    def answers(self) -> dict[str, str]:
        """Returns whether channels of each layer can go, by name: yes, or why not."""
        groups = self.dependencies.groups
        limits = Limits(round_to=1, min_channels=1, max_removed=0.999)
        units = find_units(self.families, groups, np.zeros(len(groups)), limits)
        can_go = np.zeros(len(groups), bool)
        for unit in units:
            can_go[self.families[unit.family].groups] = True
        makers: dict[int, str] = {}
        answers: dict[str, str] = {}
        for node in self.graph.nodes:
            found = self.dependencies.of(node.output)
            why = next((r for r in (groups.reasons[g] for g in found) if r), _UNEVEN)
            number = int(can_go[found].sum())
            text = f"yes, {number} of {len(found)} channels: {why}"
            if number == len(found):
                with_others = isinstance(node.layer, DEPTHWISE)
                text = f"yes, with {makers[found[0]]}" if with_others else "yes"
            answers.setdefault(node.name, text if number else f"no: {why}")
            for group in found:
                makers.setdefault(int(group), node.name)
        return answers

    def reasons(self) -> dict[str, int]:
        """Returns why channels have to stay, and of how many layers, most first."""
        groups = self.dependencies.groups
        counts: dict[str, int] = {}
        for kernel in self.cost.kernels:
            for reason in {groups.reasons[g] for g in kernel.outputs} - {""}:
                counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
