"""Export: from a Keras model to a .tflite file, and what that file is made of."""

from tfcompress.export.artifact import Artifact
from tfcompress.export.audit import Audit, Port, audit_tflite
from tfcompress.export.c_array import export_c_array
from tfcompress.export.micro import check_micro
from tfcompress.export.mixed_precision import MostSensitive
from tfcompress.export.slimming import slim_tflite
from tfcompress.export.tflite import Export, export_tflite

__all__ = [
    "Artifact",
    "Audit",
    "Export",
    "MostSensitive",
    "Port",
    "audit_tflite",
    "check_micro",
    "export_c_array",
    "export_tflite",
    "slim_tflite",
]
