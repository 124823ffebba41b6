"""Channels: which of them belong together, what they matter, and taking them out."""
