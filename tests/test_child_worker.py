import json
import os
import resource
import subprocess
import sys

import pytest

from tfcompress import child_worker

LIMITS = {"memory_bytes": 1 << 30, "cpu_seconds": 30, "wall_seconds": 30}


def reply_of(function, *arguments, **options):
    job = {"function": function, "arguments": arguments, "limits": LIMITS}
    command = [sys.executable, "-P", child_worker.__file__, json.dumps(job)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, **options) as child:
        content = child.stdout.read()
        child.wait()
    assert child.returncode == 0
    return json.loads(content)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (resource.RLIMIT_DATA, [1 << 30, 1 << 30]),
        (resource.RLIMIT_FSIZE, [1 << 30, 1 << 30]),
        (resource.RLIMIT_CPU, [30, 35]),
        (resource.RLIMIT_CORE, [0, 0]),
    ],
)
def test_the_limits_hold_when_the_function_is_called(kind, expected):
    assert reply_of("resource:getrlimit", int(kind)) == {"result": expected}


def test_limits_that_are_stricter_already_stay():
    def stricter():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    reply = reply_of(
        "resource:getrlimit", int(resource.RLIMIT_FSIZE), preexec_fn=stricter
    )
    assert reply == {"result": [1 << 20, 1 << 20]}


def test_an_error_is_a_reply_too():
    reply = reply_of("builtins:int", "x")
    assert reply["error"] == "ValueError"
    assert reply["message"].startswith("invalid literal for int()")
    assert reply["traceback"].startswith("Traceback (most recent call last)")


def test_our_own_package_is_found_wherever_it_is_started(tmp_path):
    reply = reply_of("tfcompress.storage:file_facts", os.devnull, cwd=tmp_path)
    assert reply["result"]["size_bytes"] == 0
