"""Profiling: what a model holds, costs and answers."""

from tfcompress.profiling.profile import LayerProfile, Profile, Totals, profile

__all__ = ["LayerProfile", "Profile", "Totals", "profile"]
