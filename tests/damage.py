"""Damage: what a test does to the files of an artefact, and the manifest of one that a test wrote to."""

import json
from dataclasses import asdict
from pathlib import Path

from pipeline.storage.artefact import MANIFEST, write_json
from pipeline.storage.verification import FileRecord, sha256_of_file


def flip_a_byte(path: Path) -> None:
    """One bit of the middle byte: the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def record(path: Path) -> FileRecord:
    """What a manifest holds of a file."""
    return FileRecord(path.stat().st_size, sha256_of_file(path))


def record_again(folder: Path) -> None:
    """Make an artefact's manifest hold its files as they are now."""
    manifest = json.loads((folder / MANIFEST).read_text())
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    manifest["files"] = {str(path.relative_to(folder)): asdict(record(path)) for path in files}
    write_json(folder / MANIFEST, manifest)
