"""Own data: data sets of the user's own, one entry each in the TOML file that `GANFORGE_DATASETS` names.

In: an entry such as

    [shapes]
    path = "pictures/shapes"    # relative to this file: a folder or zip of images, an .npz or a .parquet
    size = 28                   # and any other field of `Preparation`: crop, channels, num_images, subset, seed

Out: a `Dataset`. Forms of the files: `picture_layouts.py` ("images") and `array_layouts.py`. That the path is there is
only asked when the data set is made: definitions load without it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.raw.celeba import take_images
from pipeline.raw.dataset import SUBSETS, Dataset, Preparation
from pipeline.raw.sources import Provided, UserNamed, empty
from pipeline.storage.artefact import sha256_of_file
from pipeline.tables import SettingsError, expect_fields, read_choice, read_text, read_whole

VARIABLE = "GANFORGE_DATASETS"
WHOLE_FIELDS = {"crop": 1, "size": 1, "num_images": 1, "seed": 0}  # the least value of each
FIELDS = {"path", "description", "licence", "channels", "subset", *WHOLE_FIELDS}
ARRAY_LAYOUTS = {".npz": "npz", ".parquet": "parquet"}
EXPECTED = "a folder of images, a .zip of images, an .npz or a .parquet"


@dataclass(frozen=True)
class OwnFiles(UserNamed):
    """The folder or file that an entry names."""

    path: Path
    where: str  # the entry, for messages

    def is_named(self) -> bool:
        """Always: the entry names it."""
        return True

    @property
    def how_to_name(self) -> str:
        """What to change in the entry."""
        return f"Set path in {self.where} to {EXPECTED}"

    def provide(self, folder: Path) -> Provided | None:
        """Copy the file, or pack the folder."""
        empty(folder)
        suffix = self.path.suffix.lower()
        if not self.path.exists():
            raise FileNotFoundError(f"{self.where}: path {self.path} does not exist, expected {EXPECTED}")
        if self.path.is_dir() or suffix == ".zip":
            taken, layout = take_images(self.path, folder), "images"
        elif suffix in ARRAY_LAYOUTS:
            taken, layout = folder / f"{self.path.stem}{suffix}", ARRAY_LAYOUTS[suffix]
            shutil.copyfile(self.path, taken)
        else:
            raise ValueError(f"{self.where}: path {self.path} is a file of another kind, expected {EXPECTED}")
        note = f"own data from {self.path}"
        return Provided(folder, "directory", str(self.path), layout, {taken.name: sha256_of_file(taken)}, False, note)


def read_own(path: Path, key: str, entry: dict[str, Any]) -> Dataset:
    """The data set of one entry."""
    where = f"{path}: [{key}]"
    expect_fields(where, entry, FIELDS, {"path"})
    files = path.parent / Path(read_text(where, entry, "path")).expanduser()
    return Dataset(
        key=key,
        description=read_text(where, entry, "description") if "description" in entry else f"Own data {key}",
        licence=read_text(where, entry, "licence") if "licence" in entry else "unknown",
        sources=(OwnFiles(files.resolve(), where),),
        preparation=_read_preparation(where, entry),
    )


def _read_preparation(where: str, entry: dict[str, Any]) -> Preparation:
    fields: dict[str, Any] = {
        name: read_whole(where, entry, name, least) for name, least in WHOLE_FIELDS.items() if name in entry
    }
    if "subset" in entry:
        fields["subset"] = read_choice(where, entry, "subset", SUBSETS)
    if "channels" in entry:
        fields["channels"] = _read_channels(where, entry)
    return Preparation(**fields)


def _read_channels(where: str, entry: dict[str, Any]) -> int:
    channels = read_whole(where, entry, "channels")
    if channels not in (1, 3):
        raise SettingsError(f"{where}: channels is {channels}, expected 1 (grey) or 3 (RGB)")
    return channels
