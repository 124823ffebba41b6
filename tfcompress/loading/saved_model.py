"""Reading the folder of a SavedModel that tf_keras wrote, without running its graph.

A SavedModel is a program. What is read is the description that Keras puts beside it,
and the checkpoint of its variables.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2
from tf_keras.protobuf import saved_metadata_pb2

from tfcompress.errors import ModelError
from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.loading.model_file import MAX_CONFIG_BYTES, ModelFile, parse_config

_METADATA = "keras_metadata.pb"
_VARIABLES = "variables/variables"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MAX_DEPTH = 50
# A checkpoint that is cut short shows as any of these.
_READ_ERRORS = (tf.errors.OpError, ValueError, RuntimeError, IndexError)


def read_saved_model(path: Path, max_bytes: int) -> ModelFile:
    """Reads what Keras says of itself in a SavedModel, and the weights.

    Args:
      path: of the folder.
      max_bytes: that the weights in it may take.

    Raises:
      ModelError: it is no such folder, it is damaged, or it leads elsewhere.
    """
    if any(part.is_symlink() for part in path.rglob("*")):
        raise ModelError("a file in it is a link to elsewhere; do not trust it")
    if not (path / "saved_model.pb").is_file():
        raise ModelError(
            "it is a folder, but no SavedModel; expected a .keras or .h5 file, or the "
            "folder of a SavedModel"
        )
    if not (path / _METADATA).is_file():
        raise ModelError(
            "it is a SavedModel without Keras' description of the layers, as "
            "model.export() writes; save the Keras model: model.save('model.keras')"
        )
    root = _root(path / _METADATA)
    config = {"class_name": root.get("class_name"), "config": root.get("config")}
    version = str(root.get("keras_version") or "2")
    return ModelFile(config, version, by_index=_variables(path, max_bytes))


def _root(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ModelError("its architecture has a suspicious size; do not trust it")
    metadata = saved_metadata_pb2.SavedMetadata()
    try:
        metadata.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelError(f"its {_METADATA} is cut short or damaged") from error
    texts = [node.metadata for node in metadata.nodes if node.node_path == "root"]
    root = parse_config(texts[0]) if texts else None
    if not isinstance(root, dict):
        raise ModelError(f"its {_METADATA} is cut short or damaged")
    if not isinstance(root.get("config"), dict):
        raise ModelError(
            f"its model is a {root.get('class_name')}, of which no architecture is "
            "stored; rebuild it with keras.Model(inputs, outputs) and save that"
        )
    return root


def _variables(path: Path, max_bytes: int) -> dict[tuple[str, ...], np.ndarray]:
    try:
        reader = tf.train.load_checkpoint(str(path / _VARIABLES))
        shapes = reader.get_variable_to_shape_map()
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor(_OBJECT_GRAPH))
    except (*_READ_ERRORS, DecodeError) as error:
        raise ModelError("its variables are missing, cut short or damaged") from error
    keys = _keys(graph)
    declared = sum(math.prod(shapes.get(key, [])) for key in set(keys.values()))
    stored = sum(file.stat().st_size for file in path.glob(f"{_VARIABLES}.data-*"))
    # A value takes a byte or more.
    if declared > stored or stored > max_bytes:
        raise ModelError(
            f"its variables declare more values than it stores, or take more than "
            f"{max_bytes / 2**30:.3g} GiB; where that is meant, raise max_bytes= (on "
            "the command line --max_model_bytes)"
        )
    try:
        return {p: np.asarray(reader.get_tensor(k)) for p, k in keys.items()}
    except _READ_ERRORS as error:
        raise ModelError("its variables are cut short or damaged") from error


def _keys(graph: Any) -> dict[tuple[str, ...], str]:
    """Returns where the variables of layers are stored, by `layer-N` and attribute."""
    keys: dict[tuple[str, ...], str] = {}
    pending: list[tuple[tuple[str, ...], int]] = [((), 0)]
    for path, number in pending:
        if not 0 <= number < len(graph.nodes) or len(path) > _MAX_DEPTH:
            raise ModelError("its variables are damaged; save the model again")
        for child in graph.nodes[number].children:
            if not 0 <= child.node_id < len(graph.nodes):
                raise ModelError("its variables are damaged; save the model again")
            below = (*path, child.local_name)
            name = child.local_name
            if name.startswith("layer-") or name in AttentionHeads.PARTS:
                pending.append((below, child.node_id))
            for value in graph.nodes[child.node_id].attributes if path else ():
                keys[below] = value.checkpoint_key
        if len(pending) > 20_000:
            raise ModelError("its variables are nested without end; do not trust it")
    return keys
