"""One .tflite file on other engines than LiteRT: what they take, what they answer."""

from tfcompress.engines.comparison import EngineResult, compare_engines

__all__ = ["EngineResult", "compare_engines"]
