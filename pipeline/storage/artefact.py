"""Artefacts: folders that appear whole or not at all, and know by a fingerprint what they were made from.

A manifest (`manifest.json`) lists each file with size and sha256, the identity of the content (`identity.py`) with its
fingerprint, and facts about it. Files are written into a temporary folder beside the artefact, flushed, moved in by
rename, and the manifest comes last: a folder without a manifest is not an artefact, and no reader sees half of one.

Whoever reads a file of an artefact takes its path from `verified_path`, which compares size and sha256 with the
manifest (`verification.py`). The manifest itself has no hash: it is trusted where it can be read.
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
from pipeline.storage.remedy import how_to_make
from pipeline.storage.verification import ArtefactFileError, FileRecord, expect_readable, fault, sha256_of_file

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
NAMES_IN_MESSAGE = 3  # damaged files in a message
MAX_FILE_DEPTH = 2  # an artefact has files in its folder, and in folders of that one


@dataclass(frozen=True)
class Artefact:
    """A finished folder."""

    folder: Path
    fingerprint: str  # sha256 of everything that decides the content: the artefact's data version
    files: dict[str, FileRecord]  # by path relative to `folder`
    details: dict[str, Any]  # facts about the content, plain JSON values; read them with `details_as`
    created_at: str  # ISO 8601, UTC
    identity: Identity | None = None  # what the fingerprint is of; None in manifests of older versions
    cached: bool = field(default=False, compare=False)  # found intact, so nothing was computed for it this time
    _read_as: dict[type, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(record.size_bytes for record in self.files.values())

    def details_as(self, form: type[Details]) -> Details:
        """Return the details as a stage's frozen value, such as `RawDetails`. Each form is read once per artefact.

        Raises `DetailsError` where the manifest lacks a fact that `form` requires.
        """
        if form not in self._read_as:
            self._read_as[form] = read_details(self.details, form, self.folder / MANIFEST, how_to_make(self))
        value: Details = self._read_as[form]
        return value

    def path(self, name: str) -> Path:
        """The path of one of the artefact's files, to name it or to write to it; nothing is checked."""
        return self.folder / name

    def verified_path(self, name: str) -> Path:
        """Check a file against the manifest and return its path.

        Raises `ArtefactFileError`, one sentence, where it is missing, of other bytes, or may not be read.
        """
        path, record = self.path(name), self.files.get(name)
        found = "not one of the files that its manifest holds" if record is None else fault(path, record)
        if found:
            raise ArtefactFileError(f"{path}: {found}; {how_to_make(self)}")
        return path

    def verify(self) -> None:
        """Compare every file with the manifest. Raises `ArtefactFileError` as `verified_path` does."""
        for name in self.files:
            self.verified_path(name)


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
        expect_readable(folder / MANIFEST)
        raise FileNotFoundError(f"{folder}: no {what} there; materialize {make} first")
    return artefact


def is_intact(artefact: Artefact) -> bool:
    """Whether every file is there with the size and sha256 the manifest names."""
    return not damaged_files(artefact)


def damaged_files(artefact: Artefact) -> list[str]:
    """The files that are missing, or not of the size or sha256 the manifest names.

    Raises `ArtefactFileError` where one may not be read: whether it is damaged is not known then.
    """
    return [name for name, record in artefact.files.items() if fault(artefact.path(name), record)]


def verified_file(path: Path) -> Path:
    """The path itself; a file that an artefact's manifest names is compared with it first, as by `verified_path`.

    For commands that take any file of the user's, also one of the data folder.
    """
    for folder in path.absolute().parents[:MAX_FILE_DEPTH]:
        artefact = read_artefact(folder)
        name = str(path.absolute().relative_to(folder))
        if artefact is not None and name in artefact.files:
            artefact.verified_path(name)
    return path


def find_intact(folder: Path, wanted_fingerprint: str) -> Artefact | None:
    """The artefact in a folder if it carries the wanted fingerprint and its files are unharmed; marked `cached`.

    Damage is said in the log.
    """
    artefact = read_artefact(folder)
    if artefact is None or artefact.fingerprint != wanted_fingerprint:
        return None
    damaged = damaged_files(artefact)
    if damaged:
        log.warning("%s: damaged, so it is made again: %s", folder, ", ".join(damaged[:NAMES_IN_MESSAGE]))
        return None
    return replace(artefact, cached=True)


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
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time makes its content and the next one finds it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.with_name(f".{folder.name}.lock")):
        yield


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, on the same file system, removed afterwards whatever happens.

    A lock beside it is held meanwhile, so that nobody takes it for what a killed process left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}{UNFINISHED}")
    staged.mkdir()  # as the umask says: a folder of `tempfile` is its owner's alone, and some are renamed into place
    lock_path = staged.with_name(f"{staged.name}.lock")
    try:
        with hold_lock(lock_path):  # a file: network file systems lock no folders
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


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that it appears whole."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, allow_nan=False)
        file.write("\n")
