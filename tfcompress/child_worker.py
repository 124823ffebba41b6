"""Does the job of `child.py` in a limited process; started by it, never imported."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

_GRACE_SECONDS = 5


def _limit(limits: dict[str, Any]) -> None:
    memory, cpu = int(limits["memory_bytes"]), int(limits["cpu_seconds"])
    # RLIMIT_AS would also count what is mapped and never touched, which grows with
    # the number of cores, and at its limit TensorFlow dies instead of raising.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    for number, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (kind, memory, memory),
        (resource.RLIMIT_FSIZE, memory, memory),
        (resource.RLIMIT_CPU, cpu, cpu + _GRACE_SECONDS),
    ):
        allowed = resource.getrlimit(number)[1]
        if allowed != resource.RLIM_INFINITY:
            soft, hard = min(soft, allowed), min(hard, allowed)
        with suppress(ValueError, OSError):
            resource.setrlimit(number, (soft, hard))
    # Where the whole machine runs out, this is the process that the kernel ends.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _die_with_parent() -> None:
    """Ends this process when the parent's end of the pipe is closed."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> int:
    """Calls the function that the command line names, and replies on descriptor 1."""
    # Native code prints to descriptor 1, which carries the reply: move those away.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.loads(sys.argv[1])
    _limit(job["limits"])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    module, _, name = job["function"].partition(":")
    reply: dict[str, Any]
    try:
        result = getattr(importlib.import_module(module), name)(*job["arguments"])
        reply = {"result": result}
    except Exception as error:
        reply = {
            "error": type(error).__name__,
            "message": str(error),
            "traceback": traceback.format_exc(),
        }
    json.dump(reply, replies)
    replies.close()
    # Not the orderly way out: threads of a file's code may hold that up.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
