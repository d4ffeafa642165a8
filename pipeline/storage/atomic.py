"""Atomic: single files that appear on the disk complete or not at all, also in place of an earlier file.

New files and folders get the permissions of the user's umask, so that several users can share a data folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".partial"  # suffix of files and folders that are being written


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to. The file becomes `path` unless an error stops the block."""
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
    """Flush a file's content, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
