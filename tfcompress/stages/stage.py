"""What a stage is, in which order stages may stand, and what they share."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import ClassVar, Protocol, runtime_checkable

import tf_keras as keras

from tfcompress.errors import InvalidArgumentError, ModelError, RecipeError
from tfcompress.loading.live import is_quantized
from tfcompress.rewriting.check import check_tf_keras
from tfcompress.run import Run


@runtime_checkable
class Stage(Protocol):
    """A frozen dataclass that makes one model of another and changes neither.

    Attributes:
      provides: properties of the weights that the returned model has and that later
        stages must keep, such as `sparsity`.
      destroys: properties that this stage would undo.
      epochs: passes over the training images.
      batch_size: images a training step.
    """

    provides: ClassVar[frozenset[str]]
    destroys: ClassVar[frozenset[str]]

    @property
    def epochs(self) -> int: ...  # noqa: D102

    @property
    def batch_size(self) -> int: ...  # noqa: D102

    def check(self, model: keras.Model) -> None:
        """Raises InvalidArgumentError if the stage cannot be applied to the model."""
        ...

    def __call__(self, model: keras.Model, run: Run) -> keras.Model:
        """Returns a new model with the same inputs and outputs."""
        ...


def check_order(stages: Sequence[Stage]) -> None:
    """Refuses a sequence in which a stage undoes what an earlier one did.

    Raises:
      RecipeError: names both stages and the order that works.
    """
    for position, stage in enumerate(stages):
        for earlier_position, earlier in enumerate(stages[:position]):
            undone = sorted(stage.destroys & earlier.provides)
            if undone:
                raise RecipeError(
                    f"stage {position} ({type(stage).__name__}) would undo the "
                    f"{' and '.join(undone)} of stage {earlier_position} "
                    f"({type(earlier).__name__}); put {type(stage).__name__} before "
                    f"{type(earlier).__name__}, or give {type(earlier).__name__} more "
                    "epochs instead"
                )


def check_not_quantized(model: keras.Model) -> None:
    """Raises ModelError if the model went through QuantizationAware, or is none."""
    check_tf_keras(model)
    if is_quantized(model.layers):
        raise ModelError(
            f"model {model.name!r} is quantized already; put QuantizationAware last, "
            "or take the model from before it"
        )


def clone_model(model: keras.Model) -> keras.Model:
    """Returns a copy with equal weights that shares no layer with `model`.

    TF-MOT's wrappers keep the layer objects they are given, so training a wrapped
    model without this would change the model that the user passed in.

    Raises:
      ModelError: the model is quantized.
    """
    check_not_quantized(model)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def select_layers(
    model: keras.Model,
    patterns: Sequence[str],
    suits: Callable[[keras.layers.Layer], bool],
    exclude: Sequence[str] = (),
) -> list[str]:
    """Returns the names of the layers that a technique is applied to.

    Args:
      model: a canonical model.
      patterns: shell-style patterns (`block_*_conv`); `*` alone means every layer
        that suits.
      suits: whether the technique can take a layer.
      exclude: patterns of layers to leave out.

    Raises:
      ModelError: it is no tf_keras model.
      InvalidArgumentError: a pattern matches no layer, or names only layers that the
        technique cannot take.
    """
    check_tf_keras(model)
    names = [layer.name for layer in model.layers]
    suitable = [layer.name for layer in model.layers if suits(layer)]
    chosen: set[str] = set()
    for pattern in patterns:
        if not (hits := fnmatch.filter(names, pattern)):
            close = get_close_matches(pattern, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {names[:8]}..."
            raise InvalidArgumentError(
                f"no layer of {model.name!r} is called {pattern!r}; {hint}"
            )
        if not (hits := [name for name in hits if name in suitable]):
            raise InvalidArgumentError(
                f"pattern {pattern!r} matches only layers that cannot take this "
                f"technique; {model.name!r} has {suitable[:8]} that can"
            )
        chosen.update(hits)
    for pattern in exclude:
        if not fnmatch.filter(names, pattern):
            raise InvalidArgumentError(
                f"exclude: no layer of {model.name!r} is called {pattern!r}"
            )
        chosen.difference_update(fnmatch.filter(names, pattern))
    if not chosen:
        raise InvalidArgumentError(
            f"no layer of {model.name!r} is left for this technique; "
            f"it can take {suitable[:8]}"
        )
    return [name for name in names if name in chosen]
