"""Whether what was given is a model that can be read and rewritten."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from tfcompress.errors import ModelError
from tfcompress.field_types import describe_value


def check_tf_keras(model: Any) -> None:
    """Raises ModelError unless it is a tf_keras model, as `load_model` returns it."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"{describe_value(model)} was given; expected a tf_keras model: convert a "
            "Keras 3 model or load a file with tfcompress.load_model first"
        )
