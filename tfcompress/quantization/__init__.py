"""Quantization-aware training: where a model is rounded, and to what."""
