"""Lock: one process at a time moves reports from file to file. Readers, and writers of new reports, need no lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "._compacted.lock"  # same name as in earlier versions, so that two versions never move reports at once


@contextmanager
def alone(root: Path, *, wait: bool) -> Iterator[bool]:
    """Yield whether this process holds the lock; without `wait`, False where another one does.

    The system releases the lock with the process, however it ends.
    """
    with (root / NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
