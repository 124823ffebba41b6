"""Channels that must live or die together, kept as a union-find over numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tf_keras as keras

from tfcompress.rewriting.graph import Node
from tfcompress.rewriting.shapes import Shape


class WallError(Exception):
    """Why the channels that a layer is given have to stay, as the end of "it ..."."""


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of one tensor, by number: equal numbers are the same channel.

    Args:
      axis: the axis they lie along, not counting the batch.
      ids: (size of the axis,) numbers that a `Coupling` gave out; what a Flatten
        repeats at every pixel has its number once for each.
    """

    axis: int
    ids: np.ndarray

    @property
    def size(self) -> int:
        """Number of channels before anything is taken out."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer, with the channels of what it is called with.

    Args:
      node: the call.
      inputs: channels of each input.
      input_shapes: of each, without the batch.
      output_shape: without the batch.
    """

    node: Node
    inputs: list[Channels]
    input_shapes: list[Shape]
    output_shape: Shape

    @property
    def layer(self) -> keras.layers.Layer:
        """The layer that is called."""
        return self.node.layer

    @property
    def given(self) -> Channels:
        """Channels of the only, or first, input."""
        return self.inputs[0]

    @property
    def last(self) -> int:
        """The last axis of the output; 0 where it has none."""
        return max(0, len(self.output_shape) - 1)

    def need_last(self) -> None:
        """Raises WallError unless the channels lie on the last axis of the input."""
        is_first = getattr(self.layer, "data_format", "") == "channels_first"
        if is_first or self.given.axis != len(self.input_shapes[0]) - 1:
            raise WallError("works on another axis than that of the channels")

    def axes(self, axis: int | list[int]) -> list[int]:
        """Returns axes as Keras counts them, with the batch, without it."""
        rank = len(self.input_shapes[0]) + 1
        return [number % rank - 1 for number in np.atleast_1d(axis)]


@dataclass(eq=False)
class Coupling:
    """What is known about the channels of a model.

    Attributes:
      balances: arrays (parts, size of a part) of channels: each part has to lose as
        many as the others, as the parts of a grouped convolution do.
      needed: arrays of channels of which at least one has to stay.
    """

    balances: list[np.ndarray] = field(default_factory=list)
    needed: list[np.ndarray] = field(default_factory=list)
    _parents: list[int] = field(default_factory=list)
    _frozen: list[tuple[np.ndarray, str]] = field(default_factory=list)

    def new(self, size: int, axis: int) -> Channels:
        """Returns channels that have nothing to do with any other yet."""
        start = len(self._parents)
        self._parents.extend(range(start, start + size))
        return Channels(axis, np.arange(start, start + size))

    def tie(self, ids: np.ndarray, others: np.ndarray) -> None:
        """Makes channels at equal places one; arrays of equal or broadcastable shape.

        Raises:
          ValueError: the shapes do not fit.
        """
        ids, others = np.broadcast_arrays(ids, others)
        # As one number each, for np.unique takes long over pairs.
        pairs = np.unique(ids.astype(np.int64) * len(self._parents) + others)
        for pair in pairs.tolist():
            one, other = map(self._root, divmod(pair, len(self._parents)))
            self._parents[max(one, other)] = min(one, other)

    def freeze(self, ids: np.ndarray, why: str) -> None:
        """Keeps channels, and all that are tied to them, whatever comes.

        Args:
          ids: of the channels.
          why: said of the channels, such as "conv1 is an output of the model".
        """
        self._frozen.append((np.ravel(ids), why))

    def balance(self, ids: np.ndarray) -> None:
        """Asks that every row of an array (parts, size) loses as many channels."""
        self.balances.append(ids)
        self.needed.append(ids[0])

    def need(self, ids: np.ndarray) -> None:
        """Asks that at least one of some channels stays."""
        self.needed.append(ids)

    def groups(self) -> Groups:
        """Returns the channels as groups; nothing can be tied any more after it."""
        roots = [self._root(number) for number in range(len(self._parents))]
        _, of_id = np.unique(np.array(roots, int), return_inverse=True)
        reasons = [""] * (of_id.max(initial=-1) + 1)
        for ids, why in self._frozen:
            for group in np.unique(of_id[ids]):
                reasons[group] = reasons[group] or why
        balances = [of_id[ids] for ids in self.balances]
        needed = [np.unique(of_id[ids]) for ids in self.needed]
        return Groups(of_id, reasons, balances, needed)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of channels; each is kept or removed as a whole.

    Args:
      of_id: (number of ids,) the group of each channel.
      reasons: why a group has to stay; empty where it is free.
      balances, needed: as of `Coupling`, with groups in the place of channels.
    """

    of_id: np.ndarray
    reasons: list[str]
    balances: list[np.ndarray]
    needed: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.reasons)

    def of(self, channels: Channels) -> np.ndarray:
        """Returns the group of each channel of a tensor."""
        return self.of_id[channels.ids]
