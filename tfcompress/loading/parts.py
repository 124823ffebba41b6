"""The Keras classes that a model file may name, and their making from JSON.

A file says which class to call and with what. Here nothing but the constructor of a
listed class is ever called, with plain values and other listed parts: no module is
imported, no function is looked up by a name from a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_aware_activation,
    quantize_config,
    quantize_layer,
    quantize_wrapper,
    quantizers,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
    default_8bit_quantize_registry,
)

from tfcompress.errors import ModelError

CustomObjects = Mapping[str, Any]

_LAYERS = """
Activation Add Average AveragePooling1D AveragePooling2D BatchNormalization CenterCrop
Concatenate Conv1D Conv2D Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU
Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalMaxPooling1D GlobalMaxPooling2D InputLayer LayerNormalization LeakyReLU
MaxPooling1D MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute ReLU
RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax SpatialDropout2D
Subtract UpSampling2D ZeroPadding2D
"""
_INITIALIZERS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones
Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""
_REGULARIZERS = "L1 L2 L1L2"
_CONSTRAINTS = "MaxNorm MinMaxNorm NonNeg UnitNorm"
_ACTIVATIONS = """
elu exponential gelu hard_sigmoid linear mish relu relu6 selu sigmoid silu softmax
softplus softsign swish tanh
"""
# Keras 3 means another function by these names than tf_keras.
_CHANGED_IN_KERAS_3 = {"hard_sigmoid"}

_PARTS: dict[str, type] = {
    name: getattr(module, name)
    for module, names in (
        (keras.layers, _LAYERS),
        (keras.initializers, _INITIALIZERS),
        (keras.regularizers, _REGULARIZERS),
        (keras.constraints, _CONSTRAINTS),
    )
    for name in names.split()
} | {
    part.__name__: part
    for part in (
        quantize_aware_activation.NoOpActivation,
        quantize_config.OutputOnlyConfig,
        quantize_config.FixedQuantizeConfig,
        quantize_layer.QuantizeLayer,
        quantize_wrapper.QuantizeWrapper,
        quantize_wrapper.QuantizeWrapperV2,
        quantizers.AllValuesQuantizer,
        quantizers.FixedQuantizer,
        quantizers.LastValueQuantizer,
        quantizers.MovingAverageQuantizer,
        quantizers.NoQuantizer,
        default_8bit_quantize_configs.Default8BitOutputQuantizeConfig,
        default_8bit_quantize_configs.NoOpQuantizeConfig,
        default_8bit_quantize_registry.Default8BitActivationQuantizeConfig,
        default_8bit_quantize_registry.Default8BitConvQuantizeConfig,
        default_8bit_quantize_registry.Default8BitConvTransposeQuantizeConfig,
        default_8bit_quantize_registry.Default8BitQuantizeConfig,
    )
}


@dataclass(frozen=True)
class Maker:
    """Makes layers and their parts from what a file says about them.

    Args:
      custom_objects: classes and functions by name, which the caller trusts.
      keras_3: whether Keras 3 wrote the file.
    """

    custom_objects: CustomObjects
    keras_3: bool

    def layer(self, entry: dict[str, Any]) -> keras.layers.Layer:
        """Makes the layer of one entry of an architecture.

        Raises:
          ModelError: the entry names something that is not listed.
        """
        name = entry["config"]["name"]
        # Keras 3 calls raw operations such as `x + 1` by the names of layers.
        if ".ops" in str(entry.get("module")):
            raise _refusal(name, f"the raw operation {entry['class_name']}")
        layer = self._make(entry, name)
        if not isinstance(layer, keras.layers.Layer):
            raise ModelError(f"layer {name} is a {entry['class_name']}, not a layer")
        return layer

    def _decode(self, key: str, value: Any, layer: str) -> Any:
        if isinstance(value, dict):
            part = self._make(value, layer)
            # TF-MOT's wrapper lists its weights otherwise around a layer built late.
            if isinstance(part, keras.layers.Layer) and "build_config" in value:
                with tf.name_scope(part.name):
                    part.build(_shape(value["build_config"]["input_shape"]))
            return part
        if isinstance(value, list):
            values = [self._decode(key, item, layer) for item in value]
            return _shape(values) if key.endswith("shape") else values
        if isinstance(value, str) and key.endswith("activation"):
            return self._activation(value, layer)
        return value

    def _activation(self, name: str, layer: str) -> Any:
        if name in self.custom_objects:
            return self.custom_objects[name]
        changed = self.keras_3 and name in _CHANGED_IN_KERAS_3
        if changed or name not in _ACTIVATIONS.split():
            raise _refusal(layer, f"the activation {name}")
        return name

    def _make(self, entry: dict[str, Any], layer: str) -> Any:
        kind, config = entry["class_name"], entry["config"]
        for name in (str(kind), str(entry.get("registered_name"))):
            if name in self.custom_objects:
                return self.custom_objects[name].from_config(config)
        if kind in ("DTypePolicy", "Policy"):
            return config["name"]
        if kind == "function":
            return self._activation(config, layer)
        if kind == "QuantizeAwareActivation":
            # The wrapper around the layer puts its own in this place again.
            return self._decode("activation", config["activation"], layer)
        if not isinstance(kind, str) or kind not in _PARTS:
            raise _refusal(layer, str(kind))
        arguments = {
            key: self._decode(key, value, layer) for key, value in config.items()
        }
        if kind == "InputLayer" and "batch_shape" in arguments:
            arguments["batch_input_shape"] = arguments.pop("batch_shape")
        return _construct(_PARTS[kind], arguments, layer)


def _construct(part: type, arguments: dict[str, Any], layer: str) -> Any:
    accepted = {"name", "dtype", "trainable", "batch_input_shape", "autocast"}
    for base in part.__mro__:
        constructor: Any = vars(base).get("__init__", object)
        accepted |= inspect.signature(constructor).parameters.keys()
    accepted -= {"self", "args", "kwargs"}
    extra = {key: arguments.pop(key) for key in arguments.keys() - accepted}
    # Options that only Keras 3 has: those that are off or at their default are moot.
    for key, value in extra.items():
        if value and value != "channels_last" and key != "renorm_momentum":
            what = f"{part.__name__} with {key}={value!r}"
            raise ModelError(f"layer {layer} is a {what}, which tf_keras has not")
    return part(**arguments)


def _shape(value: Any) -> Any:
    nested = value and isinstance(value[0], list)
    return [tuple(shape) for shape in value] if nested else tuple(value)


def _refusal(layer: str, what: str) -> ModelError:
    return ModelError(
        f"layer {layer} uses {what}, which is not on the list of parts that run no "
        "code of the file; replace the layer, or in Python, if you trust it: "
        "load_model(path, custom_objects={name: class or function})"
    )
