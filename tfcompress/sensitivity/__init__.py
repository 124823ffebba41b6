"""Where a model minds compression, layer by layer."""
