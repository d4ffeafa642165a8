"""Picture folder: a folder of a person's own choosing that appears whole or not at all.

Unlike an artefact (`storage/artefact.py`) it has no manifest, and what is there already may be someone's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.artefact import staging_folder

PICTURE_NAME = re.compile(r"(member_\d+_)?\d{5,}\.png")  # what `picture_files.py` calls pictures in a folder


@contextmanager
def atomic_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder that becomes `folder` unless an error stops it.

    A folder that holds something is replaced only with `force`, and only where all it holds are our pictures.
    """
    folder = folder.resolve()
    expect_replaceable(folder, force=force)
    with staging_folder(folder) as staged:
        pictures = staged / "pictures"
        pictures.mkdir()
        yield pictures
        if folder.exists():
            folder.replace(staged / "earlier")
        pictures.replace(folder)


def expect_replaceable(folder: Path, *, force: bool) -> None:
    """Nothing is lost by putting pictures in place of this folder, or one sentence."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: found a file, expected a folder or nothing; choose another name")
    names = sorted(each.name for each in folder.iterdir())
    others = [name for name in names if not PICTURE_NAME.fullmatch(name)]
    if others:
        raise FileExistsError(f"{folder}: found {others[0]}, which is not one of our pictures; choose another folder")
    if names and not force:
        raise FileExistsError(
            f"{folder}: found {len(names):,} pictures there, expected an empty folder or none; --force replaces them"
        )
