"""Removal: a file or folder that can be removed, with size, age and reason."""

from __future__ import annotations

import math
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.lock import hold_existing
from pipeline.storage.paths import MANIFEST


@dataclass(frozen=True)
class Removal:
    """One thing that can be removed."""

    name: str  # a path relative to the data folder, or a name
    reason: str
    size_bytes: int
    age_seconds: float
    remove: Callable[[], bool]  # returns False, and removes nothing, if another process uses it
    path: Path | None = None  # of a file or folder


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files under a folder; 0 if it no longer exists."""
    return sum(entry.st_size for entry in _entries(path) if not stat.S_ISDIR(entry.st_mode))


def latest_change(path: Path) -> float:
    """Return the Unix time of the last write to a file, or to a folder's content; -inf if it no longer exists."""
    return max((entry.st_mtime for entry in _entries(path)), default=-math.inf)


def _entries(path: Path) -> Iterator[os.stat_result]:
    """Yield the facts of a file, or of a folder and its content. Entries that disappear during the walk are skipped."""
    for entry in (path, *_content(path)):
        try:
            yield entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # another process removed it
            continue


def _content(path: Path) -> Iterator[Path]:
    if not path.is_symlink():
        for folder, folders, files in os.walk(path):  # rglob would raise for a folder that disappears during the walk
            yield from (Path(folder, name) for name in (*folders, *files))


def make_remover(path: Path, locks: Sequence[Path]) -> Callable[[], bool]:
    """Return a function that removes a file or folder, unless another process holds one of the locks."""

    def remove() -> bool:
        with hold_existing(locks) as is_free:
            if is_free:
                remove_path(path)
            return is_free

    return remove


def remove_path(path: Path) -> None:
    """Remove a file or folder. A folder loses its manifest first, so that a half-removed one is no artefact."""
    if path.is_dir() and not path.is_symlink():
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
