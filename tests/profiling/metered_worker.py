"""Runs .tflite files as `litert_worker.py` does, on a processor whose energy is known.

Opening a file takes 7 J of the first package; each run 3 mJ of the first package and
1 mJ of each other one. The counters are the files that the job names.
"""

import sys
import time
from pathlib import Path

from tfcompress.profiling.litert_worker import LiteRTModel, main

# Above the time of warming up, which then is exactly three runs.
RUN_SECONDS = 0.06


class MeteredModel(LiteRTModel):
    def __init__(self, path, batch_size, job):
        self._counters = [Path(name) for name in job["counters"]]
        self._take_energy(0, 7_000_000)
        super().__init__(path, batch_size, job)

    def invoke(self):
        super().invoke()
        time.sleep(RUN_SECONDS)
        for package in range(len(self._counters)):
            self._take_energy(package, 1000 if package else 3000)

    def _take_energy(self, package, microjoules):
        counter = self._counters[package]
        limit = int((counter.parent / "max_energy_range_uj").read_text())
        count = (int(counter.read_text()) + microjoules) % (limit + 1)
        counter.write_text(f"{count}\n")


if __name__ == "__main__":
    sys.exit(main(MeteredModel))
