"""One writing process per store, or per shard of it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from .chunks import naming


class Locked(ValueError):
    """Another process is writing."""


@contextmanager
def locked(folder: Path, shard: tuple[int, int]) -> Iterator[None]:
    """Hold the lock of a shard in a folder; at once or not at all.

    The kernel releases it when the process dies, however that happens. Shards of one partition run
    side by side; those of different partitions, such as 0/1 (everything) and 1/4, do not.

    Raises
    ------
    Locked
        With the process, the host and the time of the owner.
    """
    folder.mkdir(exist_ok=True)
    i, n = shard
    file = folder / f"{i}-of-{n}.lock"
    lock = _acquired(file)
    owner = file.with_suffix(".json")
    try:
        # each process takes its own lock and only then looks at the others: none is overlooked
        for other in folder.glob("*-of-*.lock"):
            if not other.name.endswith(f"-of-{n}.lock"):
                _acquired(other).release()
        said = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%F %T")}
        with naming(owner):
            owner.write_text(json.dumps(said))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _acquired(file: Path) -> BaseFileLock:
    try:
        with naming(file):
            lock = _once(FileLock(file))
            if not _given_twice(file):
                return lock
            lock.release()
            return _once(SoftFileLock(file.with_suffix(".softlock")))
    except Timeout:
        owner = _owner(file) or f"another process, which holds {file}"
        raise Locked(f"{file.parents[2]} is being written by {owner}") from None


def _given_twice(file: Path) -> bool:
    """Whether kernel locks do nothing on this file system; files that are just there must do."""
    try:
        _once(FileLock(file)).release()
    except Timeout:
        return False
    return True


def _once(lock: BaseFileLock) -> BaseFileLock:
    lock.acquire(timeout=0)
    return lock


def owners(folder: Path) -> list[str]:
    """The processes that hold a lock, as far as this host can tell; takes no lock itself."""
    return [said for file in sorted(folder.glob("*.lock")) if (said := _owner(file))]


def _owner(file: Path) -> str:
    """Whoever holds a lock; empty if nobody does."""
    try:
        said = json.loads(file.with_suffix(".json").read_text())
        if said["host"] == socket.gethostname():
            with suppress(PermissionError):  # of another user, and alive
                os.kill(said["pid"], 0)
        return f"process {said['pid']} on {said['host']} since {said['since']}"
    except (OSError, ValueError, KeyError):  # a crash leaves the file of a process that is gone
        return ""
