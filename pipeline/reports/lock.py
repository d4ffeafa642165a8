"""Lock: one process at a time moves reports from file to file. Reading, and storing a new report, take no lock."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.storage.lock import hold_lock

NAME = "._compacted.lock"  # the name of earlier versions, so that two versions never move reports at once


def store_lock(root: Path, *, wait: bool) -> AbstractContextManager[bool]:
    """Return a context that holds the store's lock; without `wait` it yields False if another process holds it."""
    return hold_lock(root / NAME, wait=wait)
