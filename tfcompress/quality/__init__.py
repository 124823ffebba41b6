"""How well a model does: accuracy, calibration, segmentation and detection measures."""
