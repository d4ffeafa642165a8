"""Lock: one process at a time moves reports from file to file. Reading, and storing a new report, take no lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "._compacted.lock"  # the name of earlier versions, so that two versions never move reports at once


@contextmanager
def alone(root: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of the store at `root` and yield True; without `wait`, yield False if another process holds it.

    The operating system releases the lock when the process ends, even after `kill -9`.
    """
    with (root / NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
