"""Seconds that a static profile takes of networks of four and five million parameters.

Run: `python tests/benchmarks/static_profile.py`. Each network, of tf_keras' own, is
profiled as a `.keras` file, as a live model and as a float32 `.tflite` file, each in a
process of its own after TensorFlow was loaded, `.tflite` without it. Processor time,
as other processes do not count in it. Exit code 1 if one takes 5 s.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_SECONDS = 5
NETWORKS = ("EfficientNetB0", "MobileNetV3Large", "NASNetMobile")


def make(name, folder):
    """Writes the three forms of a network."""
    import tf_keras as keras

    import tfcompress as tfc

    network = getattr(keras.applications, name)
    model = network(weights=None, input_shape=(224, 224, 3))
    model.save(folder / "model.keras")
    tfc.export_tflite(
        tfc.load_model(model), folder / "model.tflite", quantization="float32"
    )


def measure(form, folder):
    """Prints the seconds of one form, and what was counted."""
    source = folder / ("model.tflite" if form == "tflite" else "model.keras")
    if form != "tflite":
        import tf_keras  # noqa: F401
    if form == "live":
        import tf_keras as keras

        source = keras.models.load_model(source, compile=False)
    import tfcompress as tfc

    start = time.process_time()
    totals = tfc.profile(source, latency=False).totals
    seconds = time.process_time() - start
    assert ("tensorflow" in sys.modules) == (form != "tflite")
    print(json.dumps({"s": seconds, "params": totals.params, "macs": totals.macs}))


def main():
    """Returns the exit code."""
    if len(sys.argv) > 1:
        task, what, folder = sys.argv[1:]
        {"make": make, "measure": measure}[task](what, Path(folder))
        return 0
    slowest = 0.0
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            tasks = [("make", name)]
            tasks += [("measure", form) for form in ("keras", "live", "tflite")]
            for task, what in tasks:
                words = [sys.executable, __file__, task, what, folder]
                done = subprocess.run(words, check=True, capture_output=True, text=True)
                if task == "measure":
                    found = json.loads(done.stdout.splitlines()[-1])
                    slowest = max(slowest, found["s"])
                    print(
                        f"{name:18} {what:8} {found['s']:5.2f} s, "
                        f"{found['params']:,} parameters, {found['macs']:,} MACs"
                    )
    return int(slowest >= LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
