import json
import subprocess
import sys

import numpy as np
import pytest
from small_file import relu_file

from tfcompress.engines import worker

JOB = {
    **{"task": "latency", "num_threads": 1, "batch_size": 4},
    **{"num_runs": 12, "seconds": 0, "max_seconds": 5, "engine": "openvino"},
}


def test_replies_alone_go_to_stdout(tmp_path):
    pytest.importorskip("openvino")
    file = tmp_path / "m.tflite"
    file.write_bytes(relu_file())
    done = subprocess.run(
        [
            *(sys.executable, "-P", worker.__file__),
            json.dumps({**JOB, "paths": [str(file)]}),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    reply = json.loads(done.stdout)
    assert len(reply["samples"]) == 12
    assert reply["batch_size"] == 1


def test_values_below_the_zero_point_become_it(tmp_path):
    pytest.importorskip("openvino")
    file = tmp_path / "m.tflite"
    file.write_bytes(relu_file(scale=0.5, zero_point=-3))
    model = worker.OpenVinoModel(str(file), 1, {"num_threads": 1})
    images = np.array([-2, -0.5, 0, 0.5, 1, 9], np.float32).reshape(1, 2, 3, 1)
    expected = [[0, 0, 0, 0.5, 1, 9]]
    np.testing.assert_array_equal(model.predict(images), expected)
