"""Whole: single files that appear on the disk whole or not at all, whatever was there before.

Files and folders get the permissions that the user's umask says, so that a data folder can be shared.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".partial"  # ends the name of what is being written


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, to be written to, that becomes `path` unless an error stops it."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: found a folder, expected a file or nothing; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def umask_permissions(path: Path) -> Iterator[None]:
    """Give the file written inside the `with` block the permissions that the umask gives new files.

    safetensors writes files that only their owner can read.
    """
    path.unlink(missing_ok=True)
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    path.chmod(mode)


def flush(path: Path) -> None:
    """What was written of a file, or the names in a folder, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
