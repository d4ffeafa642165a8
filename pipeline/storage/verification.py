"""Verification: whether a file is the one that a manifest names, by size and sha256.

In: a path, and what the manifest says of it. Out: what is wrong, as part of a sentence. A process hashes a file once:
the result is reused until the file's inode, size or modification time changes. A file that changed within the last
moment is hashed again each time, since a change that follows at once may leave the same time behind.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

SETTLED_NANOSECONDS = 50_000_000  # file systems keep times in ticks of up to 10 milliseconds


class ArtefactFileError(ValueError):
    """A file of an artefact is missing, is not what its manifest holds, or may not be read; the message says which."""


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file."""

    size_bytes: int
    sha256: str


def fault(path: Path, record: FileRecord) -> str:
    """Return what is wrong with the file, or an empty string if it matches the manifest.

    Raises `ArtefactFileError` where it may not be read.
    """
    expect_readable(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return "not a file, and not what its manifest holds"
        if found.st_size != record.size_bytes:
            return f"damaged: found {found.st_size:,} bytes, and its manifest holds {record.size_bytes:,}"
        if _sha256(path, found) != record.sha256:
            return "damaged: the size is right, but the content differs from what was written (sha256)"
    except (FileNotFoundError, NotADirectoryError):
        return "missing, although its manifest names it"
    return ""


def expect_readable(path: Path) -> None:
    """Raise one sentence where a file is there and this user may not read it."""
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise ArtefactFileError(f"{path}: permission denied; ask its owner to let you read it") from error
    except OSError:
        return  # missing, or a folder: whoever reads it says so


_hashed: dict[tuple[str, int, int, int, int], str] = {}


def _sha256(path: Path, found: os.stat_result) -> str:
    key = (str(path), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if key in _hashed:
        return _hashed[key]
    is_settled = time.time_ns() - found.st_mtime_ns > SETTLED_NANOSECONDS
    sha256 = sha256_of_file(path)
    if is_settled:
        _hashed[key] = sha256
    return sha256


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
