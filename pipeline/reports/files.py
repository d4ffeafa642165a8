"""Files: which reports the store holds, where each lies, and its rows.

A report is a file of its own, `recipe=…/optimizer=…/<time>-<start of its id>.parquet`, until a compaction moves it into
a file of many, `_compacted/….parquet`: a row group a partition (or several), and in the file's metadata the list of its
reports. While a compaction is at work, or after it was killed, a report may lie in both: it is listed once. Nothing
here writes, so a store that cannot be written to reads as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports.report import Report
from pipeline.reports.schema import SCHEMA, conform

COMPACTED = "_compacted"
INDEX = b"ganforge.reports"  # in a merged file's metadata: [[recipe, optimizer, [[name, report id, rows], …]], …]
ATTEMPTS = 10  # to read what a compaction moves meanwhile; one is nearly always enough
Partition = tuple[str, str]  # recipe, optimizer
Key = tuple[str, str, str]  # recipe, optimizer, name: one a report, wherever it lies
Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """Where a report lies."""

    recipe: str
    optimizer: str
    name: str  # <time>-<first 8 digits of the report's id>: sorts by time
    path: Path
    group: int | None = None  # the row group of a merged file; None: a file of its own
    first_row: int = 0  # in the row group
    rows: int = 0
    report_id: str = ""  # of a report in a merged file

    @property
    def partition(self) -> Partition:
        """Its recipe and optimizer configuration."""
        return self.recipe, self.optimizer

    @property
    def key(self) -> Key:
        """What it has in common with another place of the same report."""
        return self.recipe, self.optimizer, self.name


@dataclass(frozen=True)
class Merged:
    """A file of many reports."""

    path: Path
    places: tuple[Place, ...]  # by partition and time

    @cached_property
    def keys(self) -> frozenset[Key]:
        """Of its reports."""
        return frozenset(place.key for place in self.places)


@dataclass(frozen=True)
class Listing:
    """Every report of a store at one moment, each once."""

    root: Path
    loose: Mapping[Partition, Sequence[str]]  # names of the reports that lie in a file of their own only, oldest first
    merged: Sequence[Merged]  # all that hold a report
    counted: Mapping[Path, Sequence[Place]]  # by merged file: the reports that no other merged file counts for
    left: Sequence[Path]  # files all of whose reports lie in a merged file: a killed compaction would have removed them

    def places(self, recipe: str | None = None, optimizer: str | None = None) -> list[Place]:
        """Of every report (of a recipe, of an optimizer configuration), oldest first."""
        found = [*self.loose_places(), *(place for places in self.counted.values() for place in places)]
        chosen = [p for p in found if recipe in (None, p.recipe) and optimizer in (None, p.optimizer)]
        return sorted(chosen, key=lambda place: (place.name, place.partition))

    def loose_places(self) -> list[Place]:
        """Of the reports with a file of their own."""
        return [loose_place(self.root, partition, name) for partition, names in self.loose.items() for name in names]

    def newest(self) -> dict[Partition, Place]:
        """The newest report of every partition, by recipe and optimizer."""
        found = {partition: loose_place(self.root, partition, names[-1]) for partition, names in self.loose.items()}
        for places in self.counted.values():
            for place in places:
                known = found.get(place.partition)
                if known is None or known.name < place.name:
                    found[place.partition] = place
        return dict(sorted(found.items()))

    def has_vanished(self) -> bool:
        """Whether a compaction removed one of its files since."""
        paths = [*(place.path for place in self.loose_places()), *self.counted]
        return not all(path.exists() for path in paths)


def partition_folder(root: Path, recipe: str, optimizer: str) -> Path:
    """Where a partition's newest report lies; what starts with `_` or `.` there is no report."""
    return root / f"recipe={recipe}" / f"optimizer={optimizer}"


def loose_place(root: Path, partition: Partition, name: str) -> Place:
    """The place of a report in a file of its own."""
    return Place(*partition, name, partition_folder(root, *partition) / f"{name}.parquet")


def settled(work: Callable[[], Result]) -> Result:
    """What `work` returns, which lists and reads files: done again where a compaction took one away meanwhile."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except FileNotFoundError:
            continue
    return work()


def list_reports(root: Path) -> Listing:
    """What the store at `root` holds now; nothing where there is no folder.

    Files of one report are listed first: what a compaction takes from that list is then in one of the merged files.
    """
    loose, merged = loose_names(root), _merged_files(root)
    counted, left = _count_once(merged)
    held: set[Key] = set().union(*(file.keys for file in merged))
    kept: dict[Partition, list[str]] = {}
    for partition, names in loose.items():
        alone = [name for name in names if (*partition, name) not in held]
        left += [loose_place(root, partition, name).path for name in names if (*partition, name) in held]
        if alone:
            kept[partition] = alone
    return Listing(root, kept, [file for file in merged if file.path in counted], counted, left)


def loose_names(root: Path) -> dict[Partition, list[str]]:
    """The files of one report each, by partition, oldest first; merged files are not looked at."""
    found: dict[Partition, list[str]] = {}
    for recipe in _folders(root, "recipe="):
        for optimizer in _folders(Path(recipe.path), "optimizer="):
            names = [name.removesuffix(".parquet") for name in _parquet_names(Path(optimizer.path))]
            if names:
                found[_key(recipe.name), _key(optimizer.name)] = sorted(names)
    return found


def loose_names_of(root: Path, recipe: str, optimizer: str) -> list[str]:
    """The same for one partition."""
    return sorted(name.removesuffix(".parquet") for name in _parquet_names(partition_folder(root, recipe, optimizer)))


def read_reports(places: Sequence[Place]) -> list[Report]:
    """The reports at `places`, in that order; `FileNotFoundError` where a file is gone."""
    return [Report(place.path, rows) for place, rows in zip(places, read_rows(places, SCHEMA), strict=True)]


def read_rows(places: Sequence[Place], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of each report in `schema`; a row group is read once, when the first of its reports comes."""
    groups: dict[tuple[Path, int], pa.Table] = {}
    for place in places:
        if place.group is None:
            in_path = {"recipe": place.recipe, "optimizer": place.optimizer}
            yield conform(_read(place.path, None), place.path, in_path, schema)
            continue
        at = (place.path, place.group)
        if at not in groups:
            groups[at] = conform(_read(*at), place.path, {}, schema)
        yield groups[at].slice(place.first_row, place.rows)


def read_schema(path: Path) -> pa.Schema:
    """The columns of a file; `ValueError` where it is none of Parquet."""
    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error


@lru_cache(maxsize=64)
def read_merged(path: Path) -> Merged:
    """A merged file's reports. Such a file never changes, so its list is read once a process."""
    try:
        entries = json.loads(pq.read_metadata(path).metadata[INDEX])
        return Merged(path, tuple(_places(path, entries)))
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _places(path: Path, entries: list[tuple[str, str, list[tuple[str, str, int]]]]) -> Iterator[Place]:
    for group, (recipe, optimizer, reports) in enumerate(entries):
        first_row = 0
        for name, report_id, rows in reports:
            yield Place(recipe, optimizer, name, path, group, first_row, rows, report_id)
            first_row += rows


def _merged_files(root: Path) -> list[Merged]:
    """All merged files. Listed until two listings agree: no moment is then missed between one merge and the next."""
    folder = root / COMPACTED
    names = sorted(_parquet_names(folder))
    while (again := sorted(_parquet_names(folder))) != names:
        names = again
    return [read_merged(folder / name) for name in names]


def _count_once(merged: Sequence[Merged]) -> tuple[dict[Path, Sequence[Place]], list[Path]]:
    """By file the reports it counts for, the fullest file first; and the files that others hold all of."""
    counted: dict[Path, Sequence[Place]] = {}
    left: list[Path] = []
    held: set[Key] = set()
    for file in sorted(merged, key=lambda file: (-len(file.places), file.path)):
        if held.isdisjoint(file.keys):
            counted[file.path] = file.places
        elif file.keys <= held:
            left.append(file.path)
        else:  # copies of one store that were compacted apart, and copied together again
            counted[file.path] = [place for place in file.places if place.key not in held]
        held |= file.keys
    return counted, left


def _read(path: Path, group: int | None) -> pa.Table:
    """A whole file, or one row group."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read(use_threads=False) if group is None else file.read_row_group(group, use_threads=False)
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    said = " ".join(str(error).split())[:200]
    return ValueError(f"{path}: not a file of reports ({said}); take it out of the store, or restore it from a copy")


def _folders(folder: Path, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:  # many times as fast as pathlib where there are thousands of files
            return [entry for entry in entries if entry.name.startswith(prefix) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _parquet_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        return [name for name in names if name.endswith(".parquet") and not name.startswith(("_", "."))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _key(folder_name: str) -> str:
    return folder_name.split("=", 1)[1]
