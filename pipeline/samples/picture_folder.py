"""Picture folder: a folder of the user's choice that appears complete or not at all.

In contrast to an artefact (`storage/artefact.py`) it has no manifest, and existing files there may be the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.artefact import staging_folder

PICTURE_NAME = re.compile(r"(member_\d+_)?\d{5,}\.png")  # the names that `picture_files.py` gives pictures in a folder


@contextmanager
def atomic_folder(folder: Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder` unless an error stops the block.

    A folder with content is replaced only with `force`, and only if it holds no files but our pictures.
    """
    folder = folder.resolve()
    expect_replaceable(folder, force=force)
    with staging_folder(folder) as staging:
        pictures = staging / "pictures"
        pictures.mkdir()
        yield pictures
        if folder.exists():
            folder.replace(staging / "earlier")
        pictures.replace(folder)


def expect_replaceable(folder: Path, *, force: bool) -> None:
    """Raise one sentence if replacing this folder by pictures would lose a file."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: found a file, expected a folder or nothing; choose another name")
    names = sorted(path.name for path in folder.iterdir())
    foreign_names = [name for name in names if not PICTURE_NAME.fullmatch(name)]
    if foreign_names:
        raise FileExistsError(
            f"{folder}: found {foreign_names[0]}, which is not one of our pictures; choose another folder"
        )
    if names and not force:
        raise FileExistsError(
            f"{folder}: found {len(names):,} pictures there, expected an empty folder or none; --force replaces them"
        )
