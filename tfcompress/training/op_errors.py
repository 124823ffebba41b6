"""What went wrong in a TensorFlow op, without the graph around it."""

from __future__ import annotations

import re

import tensorflow as tf

from tfcompress.errors import DataError


def reason(error: tf.errors.OpError) -> str:
    """Returns the cause of `error` in one line.

    TensorFlow puts it between the Python frames that made the node and the names of
    the nodes, in a prefix and a suffix that name the op.
    """
    cause = str(error.message).partition("\n\t [[")[0]
    cause = re.sub(r"\{\{function_node .*?\}\}|\[Op:.*", "", cause).strip()
    return cause.splitlines()[-1].strip("\t .") if cause else type(error).__name__


def data_error(error: tf.errors.OpError) -> DataError | None:
    """Returns the DataError that reading a batch raised, which ended as `error`."""
    found = re.search(r"\bDataError: (.+)", str(error.message))
    return DataError(found[1]) if found else None
