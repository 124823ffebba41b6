"""What of a layer is rounded, by TF-MOT's `QuantizeConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow_model_optimization as tfmot
import tf_keras as keras

Quantizer: TypeAlias = tfmot.quantization.keras.quantizers.Quantizer


class LayerQuantizeConfig(tfmot.quantization.keras.QuantizeConfig):
    """Rounds one weight of a layer, its output, both, or neither.

    Args:
      weight: attribute of the layer that holds the kernel, such as `kernel`.
      weight_quantizer: rounds or keeps it; None where the layer has no kernel.
      output_quantizer: rounds the output; None where the next layer does, or where
        the output has the values of the input.
      is_float: whether the layer computes in float, as the user wants.
    """

    def __init__(
        self,
        weight: str = "kernel",
        weight_quantizer: Quantizer | None = None,
        output_quantizer: Quantizer | None = None,
        is_float: bool = False,
    ):
        self.weight = weight
        self.weight_quantizer = weight_quantizer
        self.output_quantizer = output_quantizer
        self.is_float = is_float

    def get_weights_and_quantizers(
        self, layer: keras.layers.Layer
    ) -> list[tuple[Any, Quantizer]]:
        """Returns the kernel and what rounds it."""
        if self.weight_quantizer is None:
            return []
        return [(getattr(layer, self.weight), self.weight_quantizer)]

    def set_quantize_weights(
        self, layer: keras.layers.Layer, quantize_weights: Sequence[Any]
    ) -> None:
        """Puts the rounded kernel in the place of the kernel."""
        for value in quantize_weights:
            setattr(layer, self.weight, value)

    def get_activations_and_quantizers(
        self, layer: keras.layers.Layer
    ) -> list[tuple[Any, Quantizer]]:
        """Returns nothing: activations are layers of their own by then."""
        del layer
        return []

    def set_quantize_activations(
        self, layer: keras.layers.Layer, quantize_activations: Sequence[Any]
    ) -> None:
        """Does nothing: see `get_activations_and_quantizers`."""
        # AutoGraph cannot convert a function without a body.
        del layer, quantize_activations

    def get_output_quantizers(self, layer: keras.layers.Layer) -> list[Quantizer]:
        """Returns what rounds the output."""
        del layer
        return [self.output_quantizer] if self.output_quantizer else []

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, in Keras' own form."""
        serialize = keras.saving.serialize_keras_object
        return {
            "weight": self.weight,
            "weight_quantizer": serialize(self.weight_quantizer),
            "output_quantizer": serialize(self.output_quantizer),
            "is_float": self.is_float,
        }
