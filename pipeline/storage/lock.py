"""Lock: one process at a time does a piece of work, by a lock on a file.

The lock is the kernel's (`flock`, taken through filelock). The kernel releases it when the process ends, also after
`kill -9`, so no lock is ever stale. Processes of older versions take the same locks on the same files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

POLL_SECONDS = 0.05


@contextmanager
def hold_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file for the `with` block and yield True. Make the file if it is missing.

    If another process holds the lock, wait for it; without `wait` yield False at once. The file stays afterwards:
    removing it would let two processes lock two files of the same name.
    """
    from filelock import FileLock, Timeout  # imported here: it takes a tenth of a second, and `--help` needs no lock

    lock = FileLock(
        path,
        timeout=-1 if wait else 0,
        thread_local=False,  # a generator that trains may be closed by another thread than the one that started it
        poll_interval=POLL_SECONDS,
        fallback_to_soft=False,  # a lock without the kernel would outlive a killed process
    )
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def hold_existing(paths: Sequence[Path]) -> Iterator[bool]:
    """Hold the locks of the files or folders that exist; yield False if another process holds one of them.

    Missing files are not made, and nothing is written: the files may belong to another user.
    """
    from filelock import lock_descriptor

    with ExitStack() as stack:
        for path in paths:
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            stack.callback(os.close, descriptor)  # closing it releases the lock
            if not lock_descriptor(descriptor, blocking=False):
                yield False
                return
        yield True
