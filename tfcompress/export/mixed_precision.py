"""Which layers stay float for a budget of accuracy or of bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tf_keras as keras

from tfcompress.data.model_fit import check_model_fits
from tfcompress.errors import InvalidArgumentError, ModelError
from tfcompress.export.conversion import convert
from tfcompress.export.slimming import slim
from tfcompress.field_types import check_types, refusal
from tfcompress.quality.accuracy import evaluate
from tfcompress.quantization.apply import layers_without_int8, patterns_of
from tfcompress.quantization.calibration import Calibration
from tfcompress.quantization.post_training import quantize_calibrated
from tfcompress.sensitivity.quantization import operator_sensitivity

if TYPE_CHECKING:
    from tfcompress.data.dataset import Dataset

_NUM_IMAGES = 512  # that layers are ranked on
_Names = tuple[str, ...]
_Quantize = Callable[[_Names], keras.Model]


@dataclass(frozen=True, kw_only=True)
class MostSensitive:
    """Keeps those layers float that mind int8 most, as a budget demands or allows.

    Layers with a kernel are ranked by `quantization_sensitivity`; how many of them
    stay float is found by bisection. Layers without an int8 operator stay float too.

    Args:
      max_top1_drop: accuracy on the validation split that int8 may lose, as a fraction
        (0.003 is 0.3 points): as few layers as that takes are float.
      max_bytes: size that the slimmed file with int8 ports may have: as many layers
        as that allows are float.

    Raises:
      InvalidArgumentError: a value out of range, or not one of the two.

    Example:
      >>> tfc.MostSensitive(max_top1_drop=0.003).choose(model, data)
      ('stem_conv', 'block_1_depthwise')
      >>> export = tfc.Export(keep_float=tfc.MostSensitive(max_bytes=90_000))
    """

    max_top1_drop: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        """Checks the values."""
        check_types(self)
        if (self.max_top1_drop is None) == (self.max_bytes is None):
            raise InvalidArgumentError(
                "MostSensitive takes one budget: max_top1_drop, such as 0.003, or "
                "max_bytes"
            )
        if self.max_top1_drop is not None and not 0 <= self.max_top1_drop <= 1:
            raise refusal(self, "max_top1_drop", "in [0, 1], such as 0.003")
        if self.max_bytes is not None and self.max_bytes < 1:
            raise refusal(self, "max_bytes", "1 or more")

    def choose(
        self,
        model: keras.Model,
        data: Dataset,
        calibration: Calibration | None = None,
        seed: int = 0,
        **options: Any,
    ) -> tuple[str, ...]:
        """Returns the layers that stay float, as patterns for `keep_float`.

        Nothing is trained, and the model stays as it is.

        Args:
          model: a canonical model with logits, as `load_model` returns it.
          data: calibrates on its training split; accuracy is of its validation split.
          calibration: how the ranges are chosen; None for the defaults.
          seed: of the choice of images.
          **options: `keep_int16`, `preprocessing`, `operators` and `per_channel`, as
            for export.

        Raises:
          ModelError: the model does not fit the data, or the budget cannot be met.
        """
        check_model_fits(model, data)
        calibration = calibration or Calibration()
        images = data.calibration(calibration.num_images, seed).images
        needed = layers_without_int8(model, **options)

        def quantized(chosen: tuple[str, ...]) -> keras.Model:
            names = (*needed, *chosen)
            return quantize_calibrated(
                model, images, calibration, keep_float=names, **options
            )

        scan = operator_sensitivity(quantized(()), data, _NUM_IMAGES, seed)
        ranked = patterns_of(scan.most_sensitive())
        if self.max_bytes is None:
            chosen = self._fewest(model, data, ranked, quantized)
        else:
            chosen = self._most(model, self.max_bytes, ranked, quantized)
        return (*needed, *chosen)

    def _fewest(
        self, model: keras.Model, data: Dataset, ranked: _Names, quantized: _Quantize
    ) -> _Names:
        """Returns as few of the ranked layers as the accuracy takes."""
        least = evaluate(model, data, "validation").top1 - (self.max_top1_drop or 0)

        def is_right(number: int) -> bool:
            found = evaluate(quantized(ranked[:number]), data, "validation").top1
            # Differences of fractions are not exact.
            return found >= least - 1e-9

        number = _first(is_right, len(ranked))
        if number is None:
            raise ModelError(
                f"{model.name!r} loses more than max_top1_drop={self.max_top1_drop} of "
                "its accuracy even with every kernel in float, for activations are "
                "rounded still; allow more, or train it with QuantizationAware"
            )
        return ranked[:number]

    def _most(
        self, model: keras.Model, max_bytes: int, ranked: _Names, quantized: _Quantize
    ) -> _Names:
        """Returns as many of the ranked layers as fit into the file."""

        def size(number: int) -> int:
            return len(slim(convert(quantized(ranked[:number]), "int8")))

        number = _first(lambda number: size(number) > max_bytes, len(ranked))
        if number == 0:
            raise ModelError(
                f"{model.name!r} has {size(0)} bytes in int8, more than max_bytes="
                f"{max_bytes}; allow more, or remove channels first"
            )
        return ranked if number is None else ranked[: number - 1]


def _first(holds: Callable[[int], bool], last: int) -> int | None:
    """Returns the smallest number from 0 to `last` that something holds of.

    It is taken to hold of all larger numbers too; None if it does not of `last`.
    """
    if holds(0):
        return 0
    if not last or not holds(last):
        return None
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def float_layers(
    model: keras.Model,
    data: Dataset,
    calibration: Calibration,
    seed: int,
    options: Mapping[str, Any],
) -> _Names:
    """Returns the patterns that `keep_float` among some options is, or chooses."""
    keep_float = options["keep_float"]
    if isinstance(keep_float, tuple):
        return keep_float
    others = {name: value for name, value in options.items() if name != "keep_float"}
    names: _Names = keep_float.choose(model, data, calibration, seed, **others)
    return names
