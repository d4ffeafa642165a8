"""Own data: data sets of the user's own, one entry each in the TOML file that `GANFORGE_DATASETS` names.

In: an entry such as

    [shapes]
    path = "pictures/shapes"    # relative to this file: a folder or zip of images, an .npz or a .parquet
    size = 28                   # and any other field of `Preparation`: crop, channels, num_images, subset, seed

or, to prepare the files of a data set there is in another way, `raw = "celeba"` in place of `path`.
Out: a `Dataset`. Forms of the files: `picture_layouts.py` ("images") and `array_layouts.py`. That the path is there is
only asked when the data set is made: definitions load without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.raw.celeba import take_images
from pipeline.raw.dataset import SUBSETS, Dataset, Preparation
from pipeline.raw.sources import Provided, UserNamed, empty
from pipeline.storage.verification import sha256_of_file
from pipeline.tables import SettingsError, expect_fields, find, read_choice, read_text, read_whole

VARIABLE = "GANFORGE_DATASETS"
WHOLE_FIELDS = {"crop": 1, "size": 1, "num_images": 1, "seed": 0}  # the least value of each
SHARED_FIELDS = {"description", "channels", "subset", *WHOLE_FIELDS}
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
        sums, found_at = {taken.name: sha256_of_file(taken)}, {taken.name: self.path}
        return Provided(folder, "directory", str(self.path), layout, sums, False, note, found_at)


def read_own(path: Path, key: str, entry: dict[str, Any]) -> Dataset:
    """The data set of one entry; one with `raw` has no sources yet: `with_raw` gives it those."""
    where = f"{path}: [{key}]"
    if ("path" in entry) == ("raw" in entry):
        found = "both path and raw" if "raw" in entry else "neither path nor raw"
        raise SettingsError(
            f"{where}: found {found}, expected one of them: files, or the key of a data set that has some"
        )
    return _read_from_raw(where, key, entry) if "raw" in entry else _read_from_path(where, path.parent, key, entry)


def _read_from_path(where: str, folder: Path, key: str, entry: dict[str, Any]) -> Dataset:
    expect_fields(where, entry, {"path", "licence", *SHARED_FIELDS})
    files = folder / Path(read_text(where, entry, "path")).expanduser()
    return Dataset(
        key=key,
        description=read_text(where, entry, "description") if "description" in entry else f"Own data {key}",
        licence=read_text(where, entry, "licence") if "licence" in entry else "unknown",
        sources=(OwnFiles(files.resolve(), where),),
        preparation=_read_preparation(where, entry),
    )


def _read_from_raw(where: str, key: str, entry: dict[str, Any]) -> Dataset:
    expect_fields(where, entry, {"raw", *SHARED_FIELDS}, of=" beside raw")
    return Dataset(
        key=key,
        description=read_text(where, entry, "description") if "description" in entry else f"{entry['raw']} as {key}",
        licence="",
        sources=(),
        raw=read_text(where, entry, "raw"),
        preparation=_read_preparation(where, entry),
    )


def with_raw(path: Path, dataset: Dataset, datasets: Mapping[str, Dataset]) -> Dataset:
    """A data set of the file `path` with what it takes from the one whose raw files it is prepared from."""
    passed = [dataset.key]
    while datasets[passed[-1]].raw:
        where = f"{path}: [{passed[-1]}]: raw"
        passed.append(find(datasets, datasets[passed[-1]].raw, where).key)
        if passed[-1] in passed[:-1]:
            raise SettingsError(f"{where} goes in a circle ({' → '.join(passed)}), expected a data set that has files")
    files = datasets[passed[-1]]
    return replace(dataset, raw=files.key, sources=files.sources, licence=files.licence, class_names=files.class_names)


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
