"""Watched files: a digest of the files that the user named for a data set, cheap enough to compute every minute.

In: a data set. Out: sha256 over the names, sizes and times of its files, or None without files. No file is opened. The
raw artefact has a different sha256, over the files' content.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.raw.dataset import Dataset
from pipeline.raw.own_data import OwnFiles
from pipeline.raw.sources import NamedInEnvironment


def named_path(dataset: Dataset) -> Path | None:
    """Return the file or folder that the user named for a data set, existing or not; None if none is named."""
    for source in dataset.sources:
        if isinstance(source, NamedInEnvironment) and source.is_named():
            return source.named_path()
        if isinstance(source, OwnFiles):
            return source.path
    return None


def named_paths(datasets: Iterable[Dataset]) -> dict[str, Path]:
    """Return the named path per data set, for data sets with their own files."""
    paths = {dataset.key: named_path(dataset) for dataset in datasets if dataset.raw_key == dataset.key}
    return {key: path for key, path in paths.items() if path is not None}


def digest(path: Path) -> str | None:
    """Return the sha256 over the files at or below a path; None without files. Hidden files do not count."""
    files = sorted(_files(path))
    if not files:
        return None
    lines = (f"{name}\0{size}\0{time}\n" for name, size, time in files)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, bytes and nanoseconds of each file."""
    if path.is_file():
        yield from _facts(path, path.name)
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield from _facts(Path(folder) / name, os.path.relpath(f"{folder}/{name}", path))


def _facts(file: Path, name: str) -> Iterator[tuple[str, int, int]]:
    """Yield the facts of one file; none if it was deleted since it was listed."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return
    yield name, stat.st_size, stat.st_mtime_ns
