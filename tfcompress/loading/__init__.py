"""Reading and writing Keras models, without running what a file says."""

from tfcompress.loading.load import load_model, save_model

__all__ = ["load_model", "save_model"]
