"""Removal: something that can go, with size, age and reason, and how it goes."""

from __future__ import annotations

import math
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.artefact import MANIFEST
from pipeline.storage.lock import hold_existing


@dataclass(frozen=True)
class Removal:
    """One thing that can go."""

    what: str  # a path relative to the data folder, or a name
    why: str
    size_bytes: int
    age_seconds: float
    remove: Callable[[], bool]  # False where it is in use by now, so that it stays
    path: Path | None = None  # where it is a file or folder


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files under a folder; nothing for those that went meanwhile."""
    return sum(each.st_size for each in _there(path) if not stat.S_ISDIR(each.st_mode))


def changed_at(path: Path) -> float:
    """When a file, or the last of a folder and all under it, was written: seconds since 1970; -inf where it is gone."""
    return max((each.st_mtime for each in _there(path)), default=-math.inf)


def _there(path: Path) -> Iterator[os.stat_result]:
    """A file, or a folder and all under it, as far as it is still there: what is in use changes while it is read."""
    for each in (path, *_under(path)):
        try:
            yield each.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue


def _under(path: Path) -> Iterator[Path]:
    if not path.is_symlink():
        for folder, folders, files in os.walk(path):  # unlike rglob, it passes over a folder that went meanwhile
            yield from (Path(folder, name) for name in (*folders, *files))


def remove_alone(path: Path, locks: Sequence[Path]) -> Callable[[], bool]:
    """Removes a file or folder while no other process holds any of the locks."""

    def remove() -> bool:
        with hold_existing(locks) as is_free:
            if is_free:
                remove_path(path)
            return is_free

    return remove


def remove_path(path: Path) -> None:
    """Remove a file or folder; a folder loses its manifest first: half of it is no artefact."""
    if path.is_dir() and not path.is_symlink():
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
