"""Runs .tflite files with other engines than LiteRT; started by `Engine`.

It does what `litert_worker.py` does, by the same rules: warming up, cores, blocks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tfcompress.profiling.litert_worker import Model, main


class _OtherModel(Model):
    """A file that takes one image at a time; LiteRT says what goes in and comes out.

    Args:
      path: of the .tflite file.
    """

    batch_size = 1

    def __init__(self, path: str) -> None:
        interpreter = Interpreter(model_path=path)
        (self._input,) = interpreter.get_input_details()
        (self._output,) = interpreter.get_output_details()


class OnnxRuntimeModel(_OtherModel):
    """A file that ONNX Runtime runs.

    Args:
      path: of the .tflite file.
      batch_size: images asked for; it takes one all the same.
      job: `onnx`, the path of the file that was made of it, and `num_threads`.
    """

    def __init__(self, path: str, batch_size: int, job: dict[str, Any]) -> None:
        import onnxruntime

        super().__init__(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["num_threads"]
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            job["onnx"], options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        self._binding.bind_output(self._session.get_outputs()[0].name)
        self.fill()

    def invoke(self) -> None:
        """Runs the session."""
        self._session.run_with_iobinding(self._binding)

    def _give(self, values: np.ndarray) -> None:
        self._binding.bind_cpu_input(self._session.get_inputs()[0].name, values)

    def _take(self) -> np.ndarray:
        values: np.ndarray = self._binding.copy_outputs_to_cpu()[0]
        return values


class OpenVinoModel(_OtherModel):
    """A file that OpenVINO reads and runs.

    Args:
      path: of the file.
      batch_size: images asked for; it takes one all the same.
      job: `num_threads`.
    """

    def __init__(self, path: str, batch_size: int, job: dict[str, Any]) -> None:
        import openvino

        super().__init__(path)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": job["num_threads"],
            # Its own choice is bfloat16 where the processor has that.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            compiled = openvino.Core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            # The lines before it say where in OpenVINO it was raised.
            raise RuntimeError(str(error).strip().splitlines()[-1]) from error
        self._request = compiled.create_infer_request()
        self.fill()

    def invoke(self) -> None:
        """Runs the request."""
        self._request.infer(share_outputs=True)

    def _give(self, values: np.ndarray) -> None:
        self._request.get_input_tensor().data[:] = values

    def _take(self) -> np.ndarray:
        values: np.ndarray = self._request.get_output_tensor().data.copy()
        return values


_KINDS = {"onnxruntime": OnnxRuntimeModel, "openvino": OpenVinoModel}

if __name__ == "__main__":
    sys.exit(main(_KINDS[json.loads(sys.argv[1])["engine"]]))
