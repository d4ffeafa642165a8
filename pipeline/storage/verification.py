"""Verification: a comparison of a file's size and sha256 with its manifest.

In: a path, and the manifest's record of the file. Out: the fault, as part of a sentence. A process hashes a file once:
the result is reused until the file's inode, size or modification time changes. A file that changed a moment ago is
hashed each time, since an immediate second change may leave the same modification time.
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
    """A file of an artefact is missing, differs from its manifest, or may not be read; the message names which."""


@dataclass(frozen=True)
class FileRecord:
    """The manifest's record of one file."""

    size_bytes: int
    sha256: str


def fault(path: Path, record: FileRecord) -> str:
    """Return the fault of a file as part of a sentence, or an empty string if the file matches its record.

    Raises `ArtefactFileError` if the file may not be read.
    """
    expect_readable(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "found a folder or a device, expected the file that its manifest names"
        if status.st_size != record.size_bytes:
            return f"damaged: found {status.st_size:,} bytes, and its manifest holds {record.size_bytes:,}"
        if _sha256(path, status) != record.sha256:
            return "damaged: the size is right, but the content differs from the manifest (sha256)"
    except (FileNotFoundError, NotADirectoryError):
        return "missing, although its manifest names it"
    return ""


def expect_readable(path: Path) -> None:
    """Raise one sentence if a file exists and this user may not read it."""
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise ArtefactFileError(f"{path}: permission denied; ask its owner to let you read it") from error
    except OSError:
        return  # missing, or a folder: reading it raises an error that names it


_hashed: dict[tuple[str, int, int, int, int], str] = {}


def _sha256(path: Path, status: os.stat_result) -> str:
    key = (str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if key in _hashed:
        return _hashed[key]
    is_settled = time.time_ns() - status.st_mtime_ns > SETTLED_NANOSECONDS
    sha256 = sha256_of_file(path)
    if is_settled:
        _hashed[key] = sha256
    return sha256


def sha256_of_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
