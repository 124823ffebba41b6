import json
import subprocess
import sys

import pytest
import tf_keras as keras

from tfcompress.export import export_tflite
from tfcompress.profiling import litert

WORKER = litert.__file__.replace("litert.py", "litert_worker.py")
JOB = {
    "task": "latency",
    "num_threads": 1,
    "num_runs": 12,
    "seconds": 0,
    "max_seconds": 5,
    "batch_size": 2,
}


def work(**job):
    return subprocess.run(
        [sys.executable, "-P", WORKER, json.dumps({**JOB, **job})],
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.Conv2D(2, 3)])
    path = tmp_path_factory.mktemp("worker") / "m.tflite"
    return str(export_tflite(model, path, quantization="float32").path)


def test_replies_alone_go_to_stdout(path):
    done = work(paths=[path])
    reply = json.loads(done.stdout)
    assert done.returncode == 0
    assert len(reply["samples"]) == 12
    assert min(reply["samples"]) > 0
    assert reply["batch_size"] == 2
    assert reply["num_warm_up_runs"] >= 3


def test_time_limit_still_gives_ten_runs(path):
    reply = json.loads(work(paths=[path], num_runs=300, max_seconds=0).stdout)
    assert len(reply["samples"]) == 10


def test_alternating_gives_as_many_blocks_of_each_file(path):
    samples = json.loads(work(task="alternate", paths=[path] * 3).stdout)
    assert [len(times) for times in samples] == [12, 12, 12]


def test_energy_is_counted_over_runs_of_about_the_seconds_asked_for(tmp_path, path):
    counters = [tmp_path / name for name in "ab"]
    for place, counter in enumerate(counters):
        counter.write_text(f"{place + 5}\n")
    job = {"task": "energy", "paths": [path], "counters": list(map(str, counters))}
    replies = [json.loads(work(**job, seconds=each).stdout) for each in (0, 0.2)]
    for reply in replies:
        assert reply["before"] == reply["after"] == [5, 6]
        assert reply["batch_size"] == 2
    # A run of this file takes a few microseconds, and far less than a millisecond.
    assert replies[0]["num_runs"] == 1
    assert replies[1]["num_runs"] > 200


def test_error_is_one_marked_line_and_its_own_exit_code(tmp_path):
    done = work(paths=[str(tmp_path / "none.tflite")])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
