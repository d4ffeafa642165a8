"""Damage: flip a byte of an artefact's file, or bring its manifest up to date after a test wrote to it."""

import json
from dataclasses import asdict
from pathlib import Path

from pipeline.storage.artefact import write_json
from pipeline.storage.paths import MANIFEST
from pipeline.storage.verification import FileRecord, sha256_of_file


def flip_a_byte(path: Path) -> None:
    """Flip one bit of the middle byte, so that the size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def record(path: Path) -> FileRecord:
    """Return the size and sha256 of a file, as a manifest holds them."""
    return FileRecord(path.stat().st_size, sha256_of_file(path))


def record_again(folder: Path) -> None:
    """Write the present size and sha256 of each file into an artefact's manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    manifest["files"] = {str(path.relative_to(folder)): asdict(record(path)) for path in files}
    write_json(folder / MANIFEST, manifest)
