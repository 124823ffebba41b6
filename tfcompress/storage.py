"""Files that are written whole or not at all, and the lock of a run folder.

A file is written under a temporary name in its own folder, synced, renamed over the
old one, and the folder is synced: after a crash, a kill or a full disk there is the
old file or the new one, never a mixture. A folder counts as committed once its
manifest, written last, names every file in it with its SHA-256.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from tfcompress.errors import WorkdirError

MANIFEST = "manifest.json"
_TEMPORARY = ".tmp-"

_MENDS = {
    errno.EACCES: "make it writable or choose another folder",
    errno.EPERM: "make it writable or choose another folder",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.EFBIG: "raise the file-size limit (ulimit -f) or choose another folder",
    errno.EDQUOT: "raise the quota or choose another folder",
    errno.EEXIST: "a file stands where a folder is needed: choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder",
}


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turns an `OSError` of the block into a `WorkdirError` that names `path`.

    Raises:
      WorkdirError: what could not be written, why, and what mends it.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        mend = _MENDS.get(error.errno or 0, "check the path and the disk")
        # h5py keeps the number of the failed write in its text only.
        if error.errno == errno.ENOSPC or f"errno = {errno.ENOSPC}" in str(error):
            reason, mend = "the disk is full", f"free some space{_free(Path(path))}"
        message = f"cannot write {path}: {reason}; {mend}, then run the same command."
        raise WorkdirError(message) from error


def file_path(path: str | Path) -> Path:
    """Returns the path of a file that is to be written.

    Raises:
      WorkdirError: it can be no file's.
    """
    if not isinstance(path, str | Path):
        raise WorkdirError(
            f"cannot write to {path!r}: expected the path of a file, such as "
            "'runs/model.tflite'"
        )
    if Path(path).is_dir():
        raise WorkdirError(
            f"cannot write to {str(path)!r}: it is a folder; name a file in it"
        )
    return Path(path)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path that becomes `path` when the block ends well.

    The temporary file keeps the extension of `path`, as writers choose their format
    by it. If the block raises, it is removed and the old `path` is as it was.

    Raises:
      WorkdirError: the file cannot be written.

    Example:
      >>> with atomic_path("runs/a/model.tflite") as temporary:
      ...     temporary.write_bytes(flatbuffer)
    """
    path = file_path(path)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes `content` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as standard JSON (no NaN), whole or not at all."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def read_json(path: str | Path) -> Any:
    """Returns the value that `write_json` wrote to `path`.

    Raises:
      WorkdirError: the file cannot be read, or holds no JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        message = f"cannot read {path}: {reason}; restore it, or start over by --fresh."
        raise WorkdirError(message) from error


def commit(folder: str | Path, facts: dict[str, Any]) -> None:
    """Declares `folder` complete: writes its manifest, the last of its files.

    Args:
      folder: its files, also those of sub-folders, are synced and listed with size
        and SHA-256; what killed writers left behind is removed.
      facts: JSON values kept in the manifest under `facts`.

    Raises:
      WorkdirError: the folder cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        for leftover in folder.rglob(f"{_TEMPORARY}*"):
            leftover.unlink()
        files = _inventory(folder)
        for name in files:
            _sync(folder / name)
        for inner in {(folder / name).parent for name in files}:
            _sync(inner)
    write_json(folder / MANIFEST, {"facts": facts, "files": files})


def read_manifest(folder: str | Path) -> dict[str, Any] | None:
    """Returns the manifest that `commit` wrote, if every file still is as it was.

    Returns:
      `{"facts": {...}, "files": {name: {"sha256", "size_bytes"}}}`, or None where the
      manifest is absent or cut short, or a file it names is absent or changed.

    Raises:
      WorkdirError: the folder cannot be read.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        listed = manifest["files"]
        # Names in the manifest are looked up, never opened: they may lead elsewhere.
        present = _inventory(folder) if isinstance(manifest["facts"], dict) else {}
        intact = all(present.get(name) == entry for name, entry in listed.items())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read {folder}: {reason}; make it readable, or use --fresh."
        raise WorkdirError(message) from error
    return manifest if intact else None


@contextmanager
def lock_workdir(workdir: str | Path) -> Iterator[None]:
    """Holds a run folder (made if need be) for this process alone.

    The kernel drops the lock when its owner dies, however it dies.

    Raises:
      WorkdirError: another process holds the folder (named by its id), or the folder
        cannot be written.
    """
    workdir = Path(workdir)
    owner = workdir / ".lock.pid"
    lock = filelock.FileLock(workdir / ".lock")
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            pid = owner.read_text() if owner.exists() else "unknown"
            message = (
                f"{workdir} is in use by another run (process {pid}): wait until it "
                "ends, stop it, or choose another --workdir."
            )
            raise WorkdirError(message) from None
    try:
        write_bytes(owner, str(os.getpid()).encode())
        yield
    finally:
        lock.release()


def file_facts(path: str | Path) -> dict[str, Any]:
    """Returns `{"sha256": hex digest, "size_bytes": int}` of a file."""
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size_bytes": Path(path).stat().st_size}


def _inventory(folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    names.pop(MANIFEST, None)
    return {name: file_facts(path) for name, path in names.items()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free(path: Path) -> str:
    try:
        free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    except OSError:
        return ""
    return f" ({free:,} bytes are left there)"
