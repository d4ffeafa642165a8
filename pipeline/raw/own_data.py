"""Own data: data sets of the user's own, one entry each in the TOML file that `GANFORGE_DATASETS` names.

In: an entry such as

    [shapes]
    path = "pictures/shapes"    # relative to this file: a folder or zip of images, an .npz or a .parquet
    size = 28                   # and any other field of `Preparation`: crop, channels, num_images, subset, seed

or, to prepare the files of an existing data set in another way, `raw = "celeba"` in place of `path`.
Out: a `Dataset`. Forms of the files: `picture_layouts.py` ("images") and `array_layouts.py`. The path is only checked
when the data set is made: definitions load without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from pipeline.raw.celeba import copy_images
from pipeline.raw.dataset import Dataset, Preparation
from pipeline.raw.sources import Provided, UserNamed, clear_folder
from pipeline.settings import Description
from pipeline.storage.verification import sha256_of_file
from pipeline.tables import CHECKED, Mistakes, SettingsError, Text, expect_names, fields_of, find, read_value

VARIABLE = "GANFORGE_DATASETS"
ARRAY_LAYOUTS = {".npz": "npz", ".parquet": "parquet"}
EXPECTED = "a folder of images, a .zip of images, an .npz or a .parquet"


@dataclass(frozen=True)
class OwnFiles(UserNamed):
    """The folder or file that an entry's `path` names."""

    path: Path
    where: str  # the entry, for messages

    def is_named(self) -> bool:
        """Return True: the entry names the files."""
        return True

    @property
    def how_to_name(self) -> str:
        """The advice to change the entry."""
        return f"Set path in {self.where} to {EXPECTED}"

    def provide(self, folder: Path) -> Provided | None:
        """Copy the file, or pack the folder, and return the result."""
        clear_folder(folder)
        suffix = self.path.suffix.lower()
        if not self.path.exists():
            raise FileNotFoundError(f"{self.where}: path {self.path} does not exist, expected {EXPECTED}")
        if self.path.is_dir() or suffix == ".zip":
            copied, layout = copy_images(self.path, folder), "images"
        elif suffix in ARRAY_LAYOUTS:
            copied, layout = folder / f"{self.path.stem}{suffix}", ARRAY_LAYOUTS[suffix]
            shutil.copyfile(self.path, copied)
        else:
            raise ValueError(f"{self.where}: path {self.path} is a file of another kind, expected {EXPECTED}")
        note = f"own data from {self.path}"
        sums, origin_paths = {copied.name: sha256_of_file(copied)}, {copied.name: self.path}
        return Provided(folder, "directory", str(self.path), layout, sums, False, note, origin_paths)


@checked_dataclass(frozen=True, config=CHECKED, kw_only=True)
class FilesEntry:
    """Fields of an entry with files, besides those of `Preparation`."""

    path: Annotated[Text, Field(description="Folder or zip of images, .npz or .parquet, relative to the file.")]
    description: Description | None = None
    licence: Annotated[Text, Field(description="Licence of the images.")] = "unknown"


@checked_dataclass(frozen=True, config=CHECKED, kw_only=True)
class RawEntry:
    """Fields of an entry that prepares the files of another data set, besides those of `Preparation`."""

    raw: Annotated[Text, Field(description="Key of the data set with the files.")]
    description: Description | None = None


def read_own(path: Path, key: str, entry: dict[str, Any]) -> Dataset:
    """Return the data set of one entry. One with `raw` gets its sources from `with_raw`."""
    where = f"{path}: [{key}]"
    if ("path" in entry) == ("raw" in entry):
        choice = "both path and raw" if "raw" in entry else "neither path nor raw"
        raise SettingsError(
            f"{where}: found {choice}, expected one of them: files, or the key of a data set that has some"
        )
    return _read_from_raw(where, key, entry) if "raw" in entry else _read_from_path(where, path.parent, key, entry)


def _read_from_path(where: str, folder: Path, key: str, entry: dict[str, Any]) -> Dataset:
    mistakes = Mistakes()
    mistakes.attempt(expect_names, where, entry, fields_of(FilesEntry) | fields_of(Preparation))
    preparation = mistakes.attempt(read_value, Preparation, where, entry)
    fields = mistakes.settle(mistakes.attempt(read_value, FilesEntry, where, entry))
    files = folder / Path(fields.path).expanduser()
    return Dataset(
        key=key,
        description=fields.description or f"Own data {key}",
        licence=fields.licence,
        sources=(OwnFiles(files.resolve(), where),),
        preparation=mistakes.settle(preparation),
    )


def _read_from_raw(where: str, key: str, entry: dict[str, Any]) -> Dataset:
    mistakes = Mistakes()
    mistakes.attempt(expect_names, where, entry, fields_of(RawEntry) | fields_of(Preparation), " beside raw")
    preparation = mistakes.attempt(read_value, Preparation, where, entry)
    fields = mistakes.settle(mistakes.attempt(read_value, RawEntry, where, entry))
    return Dataset(
        key=key,
        description=fields.description or f"{fields.raw} as {key}",
        licence="",
        sources=(),
        raw=fields.raw,
        preparation=mistakes.settle(preparation),
    )


def with_raw(path: Path, dataset: Dataset, datasets: Mapping[str, Dataset]) -> Dataset:
    """Return a data set of the file `path`, completed from the data set that provides its raw files."""
    passed = [dataset.key]
    while datasets[passed[-1]].raw:
        where = f"{path}: [{passed[-1]}]: raw"
        passed.append(find(datasets, datasets[passed[-1]].raw, where).key)
        if passed[-1] in passed[:-1]:
            raise SettingsError(f"{where} goes in a circle ({' → '.join(passed)}), expected a data set that has files")
    files = datasets[passed[-1]]
    return replace(dataset, raw=files.key, sources=files.sources, licence=files.licence, class_names=files.class_names)
