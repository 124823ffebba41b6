"""Export: from a Keras model to a .tflite file, and what that file is made of."""

from tfcompress.export.artifact import Artifact
from tfcompress.export.audit import Audit, Port, audit_tflite
from tfcompress.export.tflite import Export, export_tflite

__all__ = ["Artifact", "Audit", "Export", "Port", "audit_tflite", "export_tflite"]
