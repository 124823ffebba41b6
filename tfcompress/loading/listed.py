"""What a model file may name: the classes and functions that run no code of it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

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
from tf_keras.src.applications import convnext

from tfcompress import layers
from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.layers.hard_swish import HardSigmoid, HardSwish

_LAYERS = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization CenterCrop
Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU
Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization Identity InputLayer LayerNormalization LeakyReLU MaxPooling1D
MaxPooling2D MaxPooling3D Maximum Minimum Multiply Normalization PReLU Permute
RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation
RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
SeparableConv1D SeparableConv2D Softmax SpatialDropout1D SpatialDropout2D
SpatialDropout3D Subtract ThresholdedReLU UnitNormalization UpSampling1D UpSampling2D
UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
_INITIALIZERS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform
Ones Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""
_REGULARIZERS = "L1 L2 L1L2 OrthogonalRegularizer"
_CONSTRAINTS = "MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm"

_ACTIVATIONS = """
elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu
sigmoid silu softmax softplus softsign swish tanh
"""
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
# What Keras 3 computes by a name that tf_keras lacks, or gives another function.
KERAS_3_ACTIVATIONS: dict[str, type[keras.layers.Layer]] = {
    "hard_sigmoid": HardSigmoid,
    "hard_silu": HardSwish,
    "hard_swish": HardSwish,
}

_KERAS: dict[str, dict[str, type]] = {
    kind: {name: getattr(module, name) for name in names.split()}
    for kind, module, names in (
        ("layer", keras.layers, _LAYERS),
        ("initializer", keras.initializers, _INITIALIZERS),
        ("regularizer", keras.regularizers, _REGULARIZERS),
        ("constraint", keras.constraints, _CONSTRAINTS),
    )
}
_KERAS["layer"] |= {
    "LayerScale": convnext.LayerScale,
    "MultiHeadAttention": AttentionHeads,
    "StochasticDepth": convnext.StochasticDepth,
}
# Older Keras wrote regularizers of both norms in lower case.
_KERAS["regularizer"]["l1_l2"] = keras.regularizers.L1L2

_TFMOT = {
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
# Read from their modules when a file names them: their room lies above this one.
_QUANTIZATION = {
    "ActivationQuantizer": "quantizers",
    "FixedRangeQuantizer": "quantizers",
    "WeightKeeper": "quantizers",
    "WeightQuantizer": "quantizers",
    "LayerQuantizeConfig": "configs",
}
_OUR_MODULES = [
    importlib.import_module(f"{layers.__name__}.{module.name}")
    for module in pkgutil.iter_modules(layers.__path__)
]
OUR_LAYERS: dict[str, type] = {
    name: value
    for module in _OUR_MODULES
    for name, value in vars(module).items()
    if isinstance(value, type) and value.__module__ == module.__name__
}


def listed_class(module: Any, name: str, registered: Any) -> type | None:
    """Returns the class that an entry of an architecture names, if it may.

    Args:
      module: where the file says that the class is; files of old say nothing.
      name: of the class.
      registered: name that the class was registered under, if any.
    """
    room = str(module).partition(".")[0]
    if str(registered).partition(">")[0] == "tfcompress" or room == "tfcompress":
        return _our_class(name)
    if registered not in (None, name):
        return None
    if room == "tensorflow_model_optimization":
        return _TFMOT.get(name)
    if module is not None and room not in ("keras", "tf_keras", "builtins"):
        return None
    kinds = [part for part in _KERAS.values() if name in part]
    # An initializer and a layer are named Identity; old files tell no modules.
    if len(kinds) > 1 and "initializers" in str(module):
        return _KERAS["initializer"][name]
    found = kinds[0][name] if kinds else None
    return found or (_TFMOT.get(name) or _our_class(name) if module is None else None)


def _our_class(name: str) -> type | None:
    if name in _QUANTIZATION:
        module = f"tfcompress.quantization.{_QUANTIZATION[name]}"
        return getattr(importlib.import_module(module), name, None)
    return OUR_LAYERS.get(name)


def module_of(name: str, module: str) -> str:
    """Returns the module of a listed class; nothing for a class that is not listed.

    Args:
      name: of the class.
      module: where a file says that the class is; tells between two of one name.
    """
    if name in OUR_LAYERS:
        return OUR_LAYERS[name].__module__
    kinds = [kind for kind, part in _KERAS.items() if name in part]
    if len(kinds) > 1 and "initializers" in module:
        return "keras.initializers"
    return f"keras.{kinds[0]}s" if kinds else ""
