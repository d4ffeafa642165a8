"""Artefacts: folders that appear whole or not at all, and know by a fingerprint what they were made from.

A manifest (`manifest.json`) lists each file with size and sha256, the identity of the content (`identity.py`) with its
fingerprint, and facts about it. Files are written into a temporary folder beside the artefact, flushed, moved in by
rename, and the manifest comes last: a folder without a manifest is not an artefact, and no reader sees half of one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.storage.identity import Identity
from pipeline.storage.whole import UNFINISHED, flush, whole_file

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MOST_NAMED = 3  # damaged files in a message


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Artefact:
    """A finished folder."""

    folder: Path
    fingerprint: str  # sha256 of everything that decides the content: the artefact's data version
    files: dict[str, FileRecord]  # by path relative to `folder`
    details: dict[str, Any]  # facts about the content, plain JSON values
    created_at: str  # ISO 8601, UTC
    identity: Identity | None = None  # what the fingerprint is of; None in manifests of older versions
    cached: bool = field(default=False, compare=False)  # found intact, so nothing was computed for it this time

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(record.size_bytes for record in self.files.values())

    def path(self, name: str) -> Path:
        """The path of one of the artefact's files."""
        return self.folder / name


def read_artefact(folder: Path) -> Artefact | None:
    """The artefact in a folder, or None where there is no whole one. Files are not checked; see `is_intact`."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: FileRecord(**record) for name, record in manifest["files"].items()}
        made_from = manifest.get("identity")
        identity = None if made_from is None else Identity.from_json(made_from)
        return Artefact(folder, manifest["fingerprint"], files, manifest["details"], manifest["created_at"], identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def require_artefact(folder: Path, what: str, make: str) -> Artefact:
    """The artefact in a folder, or one sentence that says what is missing and how to make it."""
    artefact = read_artefact(folder)
    if artefact is None:
        raise FileNotFoundError(f"{folder}: no {what} there; materialize {make} first")
    return artefact


def is_intact(artefact: Artefact) -> bool:
    """Whether every file is there with the size and sha256 the manifest names."""
    return not damaged_files(artefact)


def damaged_files(artefact: Artefact) -> list[str]:
    """The files that are missing, or not of the size or sha256 the manifest names."""
    return [name for name, record in artefact.files.items() if not _is_whole(artefact.path(name), record)]


def _is_whole(path: Path, record: FileRecord) -> bool:
    return path.is_file() and path.stat().st_size == record.size_bytes and sha256_of_file(path) == record.sha256


def find_intact(folder: Path, wanted_fingerprint: str) -> Artefact | None:
    """The artefact in a folder if it carries the wanted fingerprint and its files are unharmed; marked `cached`.

    Damage is said in the log.
    """
    artefact = read_artefact(folder)
    if artefact is None or artefact.fingerprint != wanted_fingerprint:
        return None
    damaged = damaged_files(artefact)
    if damaged:
        log.warning("%s: damaged, so it is made again: %s", folder, ", ".join(damaged[:MOST_NAMED]))
        return None
    return Artefact(**{**vars(artefact), "cached": True})


Fill = Callable[[Path], Mapping[str, Any]]  # writes files into a folder, returns the details for the manifest


def make_artefact(folder: Path, wanted: Identity, fill: Fill, *, force: bool = False) -> Artefact:
    """The intact artefact of this identity where there is one (and not `force`), else a new one made by `fill`."""
    found = None if force else find_intact(folder, wanted.fingerprint)
    if found is not None:
        return found
    with staging_folder(folder) as staged:
        details = dict(fill(staged))
        return publish(staged, folder, wanted, details)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time gets what belongs in a folder; the next one finds it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, on the same file system, removed afterwards whatever happens.

    A lock beside it is held meanwhile, so that nobody takes it for what a killed process left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
    lock_path = staged.with_name(f"{staged.name}.lock")
    try:
        with lock_path.open("w") as lock:  # a file: network file systems lock no folders
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield staged
    finally:
        lock_path.unlink(missing_ok=True)
        shutil.rmtree(staged, ignore_errors=True)


def publish(
    staged: Path, folder: Path, identity: Identity, details: dict[str, Any], *, keep: tuple[str, ...] = ()
) -> Artefact:
    """Move the staged files to `folder`, manifest last; what an earlier artefact left there goes.

    Sub-folders named in `keep` are no part of the artefact and stay.
    """
    names = sorted(str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file())
    files = {name: _record(staged / name) for name in names}
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    artefact = Artefact(folder, identity.fingerprint, files, details, made_at, identity)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).replace(folder / name)
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and str(relative) not in files and relative.parts[0] not in keep:
            path.unlink()
    write_json(folder / MANIFEST, _manifest(artefact))
    return artefact


def _manifest(artefact: Artefact) -> dict[str, Any]:
    return {
        "fingerprint": artefact.fingerprint,
        "identity": None if artefact.identity is None else artefact.identity.to_json(),
        "created_at": artefact.created_at,
        "details": artefact.details,
        "files": {name: asdict(record) for name, record in artefact.files.items()},
    }


def _record(path: Path) -> FileRecord:
    flush(path)
    return FileRecord(path.stat().st_size, sha256_of_file(path))


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that it appears whole."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, allow_nan=False)
        file.write("\n")
