"""Data sets: loading, splits, augmentation, calibration samples."""

from tfcompress.data.arrays import from_arrays
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.calibration import CalibrationSample
from tfcompress.data.dataset import Dataset
from tfcompress.data.model_fit import check_input_type, check_model_fits
from tfcompress.data.source import Data, load
from tfcompress.data.split import Split

__all__ = [
    "Augmentation",
    "CalibrationSample",
    "Data",
    "Dataset",
    "Split",
    "check_input_type",
    "check_model_fits",
    "from_arrays",
    "load",
]
