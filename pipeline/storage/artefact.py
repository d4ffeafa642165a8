"""Artefacts: folders that appear complete or not at all, each with a fingerprint of its settings and inputs.

A manifest (`manifest.json`) lists each file with size and sha256, the identity of the content (`identity.py`) with its
fingerprint, and facts about the content (`details.py`). Files are written into a temporary folder beside the artefact,
flushed, and moved in by rename. The manifest comes last. A folder without a manifest is not an artefact, so no reader
sees half of one.

Readers of a file take its path from `verified_path`, which compares size and sha256 with the manifest
(`verification.py`). The manifest itself has no hash: a manifest that can be read is trusted.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.storage.atomic import UNFINISHED, atomic_file, flush
from pipeline.storage.details import Details, read_details
from pipeline.storage.identity import Identity
from pipeline.storage.lock import hold_lock
from pipeline.storage.paths import MANIFEST
from pipeline.storage.remedy import how_to_make
from pipeline.storage.verification import ArtefactFileError, FileRecord, expect_readable, fault, sha256_of_file

log = logging.getLogger(__name__)

NAMES_IN_MESSAGE = 3  # damaged files in a message
MAX_FILE_DEPTH = 2  # an artefact has files in its folder and in sub-folders of it


@dataclass(frozen=True)
class Artefact:
    """A finished folder with its manifest."""

    folder: Path
    fingerprint: str  # sha256 of everything that decides the content: the artefact's data version
    files: dict[str, FileRecord]  # by path relative to `folder`
    details: dict[str, Any]  # facts about the content, plain JSON values; read them with `details_as`
    created_at: str  # ISO 8601, UTC
    identity: Identity | None = None  # the fingerprint is its hash; None in manifests of older versions
    cached: bool = field(default=False, compare=False)  # True if it was intact already and was not made again
    _read_as: dict[type, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(record.size_bytes for record in self.files.values())

    def details_as(self, form: type[Details]) -> Details:
        """Return the details as a stage's frozen value, such as `RawDetails`. Each form is read once per artefact.

        Raises `DetailsError` where the manifest lacks a fact that `form` requires.
        """
        if form not in self._read_as:
            self._read_as[form] = read_details(self.details, form, self.folder / MANIFEST, self.how_to_make())
        value: Details = self._read_as[form]
        return value

    def how_to_make(self) -> str:
        """Return the part of a sentence with the advice for making the artefact again."""
        return how_to_make(self.folder, self.identity, self.details)

    def path(self, name: str) -> Path:
        """Return the path of one of the artefact's files, unchecked, to name it or to write to it."""
        return self.folder / name

    def verified_path(self, name: str) -> Path:
        """Check a file against the manifest and return its path.

        Raises `ArtefactFileError`, one sentence, if the file is missing, has other bytes, or may not be read.
        """
        path, record = self.path(name), self.files.get(name)
        problem = "not one of the files that its manifest holds" if record is None else fault(path, record)
        if problem:
            raise ArtefactFileError(f"{path}: {problem}; {self.how_to_make()}")
        return path

    def verify(self) -> None:
        """Compare every file with the manifest. Raises `ArtefactFileError` as `verified_path` does."""
        for name in self.files:
            self.verified_path(name)


def read_artefact(folder: Path) -> Artefact | None:
    """Return the artefact in a folder, or None if there is no complete one. `is_intact` checks the files."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = {name: FileRecord(**record) for name, record in manifest["files"].items()}
        values = manifest.get("identity")
        identity = None if values is None else Identity.from_json(values)
        return Artefact(folder, manifest["fingerprint"], files, manifest["details"], manifest["created_at"], identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def require_artefact(folder: Path, content: str, step: str) -> Artefact:
    """Return the artefact in a folder.

    Raises `FileNotFoundError` with the missing `content` and the `step` to materialize if there is none.
    """
    artefact = read_artefact(folder)
    if artefact is None:
        expect_readable(folder / MANIFEST)
        raise FileNotFoundError(f"{folder}: no {content} there; materialize {step} first")
    return artefact


def is_intact(artefact: Artefact) -> bool:
    """Return whether every file exists with the size and sha256 in the manifest."""
    return not damaged_files(artefact)


def damaged_files(artefact: Artefact) -> list[str]:
    """Return the names of files that are missing or differ from the size or sha256 in the manifest.

    Raises `ArtefactFileError` if a file may not be read: then it is unknown whether it is damaged.
    """
    return [name for name, record in artefact.files.items() if fault(artefact.path(name), record)]


def verified_file(path: Path) -> Path:
    """Return the path itself. If an artefact's manifest names the file, compare the file with it first.

    This is for commands that take any file of the user's, which may lie in the data folder.
    """
    for folder in path.absolute().parents[:MAX_FILE_DEPTH]:
        artefact = read_artefact(folder)
        name = str(path.absolute().relative_to(folder))
        if artefact is not None and name in artefact.files:
            artefact.verified_path(name)
    return path


def find_intact(folder: Path, fingerprint: str) -> Artefact | None:
    """Return the artefact in a folder, marked `cached`, if it has this fingerprint and its files are undamaged.

    Damage is logged.
    """
    artefact = read_artefact(folder)
    if artefact is None or artefact.fingerprint != fingerprint:
        return None
    damaged = damaged_files(artefact)
    if damaged:
        log.warning("%s: damaged, so it is made again: %s", folder, ", ".join(damaged[:NAMES_IN_MESSAGE]))
        return None
    return replace(artefact, cached=True)


Fill = Callable[[Path], Mapping[str, Any]]  # writes files into a folder, returns the details for the manifest


def make_artefact(folder: Path, identity: Identity, fill: Fill, *, force: bool = False) -> Artefact:
    """Return the intact artefact of this identity if there is one; else, or with `force`, make it with `fill`."""
    artefact = None if force else find_intact(folder, identity.fingerprint)
    if artefact is not None:
        return artefact
    with staging_folder(folder) as staging:
        details = dict(fill(staging))
        return publish_artefact(staging, folder, identity, details)


@contextmanager
def artefact_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time makes its content and the next one finds it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        yield


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`, on the same file system, and remove it in the end.

    A lock beside it is held for the `with` block. `ganforge clean` removes only folders without a held lock: those
    that a killed process left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}{UNFINISHED}")
    # Not `tempfile`: its folders are private to their owner. Some are renamed into place, so the umask must decide.
    staging.mkdir()
    lock_path = staging.with_name(f"{staging.name}.lock")
    try:
        with hold_lock(lock_path):  # a file: network file systems lock no folders
            yield staging
    finally:
        lock_path.unlink(missing_ok=True)
        shutil.rmtree(staging, ignore_errors=True)


def publish_artefact(
    staging: Path, folder: Path, identity: Identity, details: dict[str, Any], *, keep: tuple[str, ...] = ()
) -> Artefact:
    """Move the files of a staging folder to `folder`, manifest last, and remove files of an earlier artefact there.

    Sub-folders named in `keep` are no part of the artefact and stay.
    """
    names = sorted(str(path.relative_to(staging)) for path in staging.rglob("*") if path.is_file())
    files = {name: _record(staging / name) for name in names}
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    artefact = Artefact(folder, identity.fingerprint, files, details, created_at, identity)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(folder / name)
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


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that appears complete or not at all."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, allow_nan=False)
        file.write("\n")
