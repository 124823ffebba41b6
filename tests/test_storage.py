import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfcompress import storage
from tfcompress.errors import WorkdirError


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_path_replaces_the_file_and_keeps_the_extension(tmp_path):
    path = tmp_path / "new" / "model.keras"
    storage.write_bytes(path, b"old")
    with storage.atomic_path(path) as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == path.parent
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == ["model.keras"]


@pytest.mark.parametrize("path", ["", ".", "/", 3, None])
def test_what_is_no_path_of_a_file_is_told(path):
    with pytest.raises(WorkdirError, match=r"cannot write to .* a file"):
        storage.file_path(path)


def test_atomic_path_keeps_the_old_file_when_the_block_raises(tmp_path):
    path = tmp_path / "model.tflite"
    storage.write_bytes(path, b"old")
    with pytest.raises(KeyError), storage.atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model.tflite"]


def test_a_full_disk_keeps_the_old_file_and_is_told_in_one_line(tmp_path):
    path = tmp_path / "report.json"
    storage.write_bytes(path, b"old")
    with pytest.raises(WorkdirError) as told, storage.atomic_path(path):
        Path("/dev/full").write_bytes(b"does not fit")
    assert "report.json: the disk is full; free some space" in str(told.value)
    assert "bytes are left" in str(told.value)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == b"old"


def test_a_file_size_limit_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.tflite"
    storage.write_bytes(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WorkdirError, match=r"model\.tflite: .*ulimit -f"):
            storage.write_bytes(path, bytes(1001))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model.tflite"]


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkdirError, match="a file stands where a folder is needed"):
        storage.write_bytes(tmp_path / "file" / "report.json", b"")


def test_a_folder_without_permission_is_told(tmp_path):
    tmp_path.chmod(0o555)
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from tfcompress import storage, errors\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: storage.write_bytes(sys.argv[1], b'')\n"
        "except errors.WorkdirError as error: print(error)\n"
    )
    # Under another folder that the other user may enter, unlike tmp_path of root.
    target = tmp_path / "a" if os.geteuid() else Path("/usr/share/a")
    root = Path(storage.__file__).parents[1]
    command = [sys.executable, "-c", script, str(target), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"cannot write {target}: Permission denied; make it writable" in done.stdout


def test_write_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.json"
    storage.write_json(path, {"top1": None})
    with pytest.raises(ValueError, match="JSON"):
        storage.write_json(path, {"top1": float("nan")})
    assert json.loads(path.read_text()) == {"top1": None}


def test_read_json_gives_back_what_was_written(tmp_path):
    value = {"a": [1, None, "\u00e9"]}
    storage.write_json(tmp_path / "a.json", value)
    assert storage.read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff", b"[" * 100_000])
def test_read_json_tells_a_damaged_file_in_one_line(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(WorkdirError, match=r"a\.json: it is damaged; .*--fresh"):
        storage.read_json(tmp_path / "a.json")


def test_read_json_tells_a_missing_file(tmp_path):
    with pytest.raises(WorkdirError, match=r"a\.json: No such file"):
        storage.read_json(tmp_path / "a.json")


@pytest.fixture
def committed(tmp_path):
    storage.write_bytes(tmp_path / "model.keras", b"model")
    storage.write_bytes(tmp_path / "logs" / "events", b"scalars")
    (tmp_path / ".tmp-1-model.keras").write_bytes(b"left by a killed writer")
    storage.commit(tmp_path, {"top1": 0.5})
    return tmp_path


def test_commit_lists_every_file_with_its_hash(committed):
    manifest = storage.read_manifest(committed)
    assert manifest == {
        "facts": {"top1": 0.5},
        "files": {
            "logs/events": {
                "sha256": hashlib.sha256(b"scalars").hexdigest(),
                "size_bytes": 7,
            },
            "model.keras": {
                "sha256": hashlib.sha256(b"model").hexdigest(),
                "size_bytes": 5,
            },
        },
    }
    assert names_in(committed) == ["logs", "manifest.json", "model.keras"]


def test_commit_again_does_not_list_its_own_manifest(committed):
    storage.commit(committed, {})
    assert sorted(storage.read_manifest(committed)["files"]) == [
        "logs/events",
        "model.keras",
    ]


def test_read_manifest_ignores_files_that_came_later(committed):
    (committed / "notes.txt").write_text("mine")
    assert storage.read_manifest(committed) is not None


@pytest.mark.parametrize("name", ["model.keras", "logs/events"])
@pytest.mark.parametrize("fault", ["cut", "flip", "remove"])
def test_read_manifest_notices_every_damaged_file(committed, name, fault):
    path = committed / name
    content = path.read_bytes()
    if fault == "remove":
        path.unlink()
    else:
        damaged = content[:-1] if fault == "cut" else bytes([content[0] ^ 1])
        path.write_bytes(damaged + content[1:] if fault == "flip" else damaged)
    assert storage.read_manifest(committed) is None


def test_read_manifest_is_none_when_cut_at_any_byte(committed):
    path = committed / "manifest.json"
    content = path.read_bytes()
    # The last two bytes close the object and the line: without the line it is whole.
    for length in range(len(content) - 1):
        path.write_bytes(content[:length])
        assert storage.read_manifest(committed) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "1", '{"files": {}}', '{"facts": {}, "files": 1}']
)
def test_read_manifest_is_none_for_another_document(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert storage.read_manifest(tmp_path) is None


def test_read_manifest_is_none_for_deep_nesting(tmp_path):
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    assert storage.read_manifest(tmp_path) is None


def test_read_manifest_never_opens_a_path_it_is_told(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    folder = tmp_path / "stage"
    folder.mkdir()
    files = {"../outside": storage.file_facts(outside)}
    storage.write_json(folder / "manifest.json", {"facts": {}, "files": files})
    assert storage.read_manifest(folder) is None


def test_read_manifest_of_a_missing_folder_is_none(tmp_path):
    assert storage.read_manifest(tmp_path / "never") is None


HOLD = (
    "import sys; from tfcompress import storage\n"
    "with storage.lock_workdir(sys.argv[1]):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def test_a_second_run_is_refused_and_the_first_is_named_until_it_dies(tmp_path):
    workdir = tmp_path / "runs" / "a"
    root = Path(storage.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workdir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
    ) as first:
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(WorkdirError, match=rf"in use .*process {first.pid}"),
            storage.lock_workdir(workdir),
        ):
            pytest.fail("two runs hold one folder")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with storage.lock_workdir(workdir):
        assert (workdir / ".lock.pid").read_text() == str(os.getpid())


def test_lock_is_free_again_after_its_block(tmp_path):
    for _ in range(2):
        with storage.lock_workdir(tmp_path):
            pass


def test_an_error_inside_the_lock_is_not_taken_for_a_write_error(tmp_path):
    with pytest.raises(FileNotFoundError), storage.lock_workdir(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "an input of the user")
