"""Files: list the reports of a store and the file that holds each one. `reading.py` reads their rows.

A partition has the folder `recipe=…/optimizer=…/`. A new report is a file of its own there, `<time>-<start of its
id>.parquet`. A compaction moves it into a merged file beside it, `<time>-merged-<8 digits>.parquet`, whose metadata
list its reports. While a compaction runs, or after it was killed, a report may lie in both: it is listed once.

Earlier versions kept merged files of all partitions in `_compacted/`, and `former_layout.py` moves them. Until then,
and if the store is read-only, their reports are listed too. This module writes no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.reports.reading import FORMER, Location, MergedFile, PartitionKey, ReportKey, read_merged

ATTEMPTS = 100  # reads that a compaction may disturb before the error is raised; one is nearly always enough
TIME_IN_NAME = "%Y%m%dT%H%M%S%f"  # UTC, to the microsecond
NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
MERGED = "-merged-"  # in the name of a merged file, between its time and its digits
MERGED_NAME = re.compile(rf"\d{{8}}T\d{{12}}{MERGED}[0-9a-f]{{8}}")
ID_IN_NAME = 8  # digits of a report's id in the name of its file
ReturnValue = TypeVar("ReturnValue")


@dataclass(frozen=True)
class Listing:
    """Every report of a store at one moment, each listed once."""

    root: Path
    single_reports: Mapping[PartitionKey, Sequence[str]]  # names of reports in no merged file, oldest first
    merged: Sequence[MergedFile]  # the merged files that `merged_reports` names
    merged_reports: Mapping[Path, Sequence[Location]]  # by merged file; a report in several files is under one of them
    superseded: Sequence[Path]  # files with no report that is only theirs: a killed compaction did not remove them

    def locations(self, recipe: str | None = None, optimizer: str | None = None) -> list[Location]:
        """Return the locations of all reports (of a recipe, of an optimizer configuration), oldest first."""
        merged = (location for locations in self.merged_reports.values() for location in locations)
        chosen = [
            location
            for location in (*self.single_locations(), *merged)
            if recipe in (None, location.recipe) and optimizer in (None, location.optimizer)
        ]
        return sorted(chosen, key=lambda location: (location.name, location.partition))

    def single_locations(self) -> list[Location]:
        """Return the locations of the reports that have a file of their own."""
        return [
            single_location(self.root, partition, name)
            for partition, names in self.single_reports.items()
            for name in names
        ]

    def newest(self) -> dict[PartitionKey, Location]:
        """Return the location of every partition's newest report, in the order of recipes and optimizers."""
        newest = {
            partition: single_location(self.root, partition, names[-1])
            for partition, names in self.single_reports.items()
        }
        for locations in self.merged_reports.values():
            for location in locations:
                other = newest.get(location.partition)
                if other is None or other.name < location.name:
                    newest[location.partition] = location
        return dict(sorted(newest.items()))

    def has_vanished(self) -> bool:
        """Return whether a file of this listing was removed since, as a compaction does."""
        return not all(os.path.lexists(path) for path in self.paths())

    def paths(self) -> list[Path]:
        """Return all files that hold a report."""
        return [*(location.path for location in self.single_locations()), *self.merged_reports]


def partition_folder(root: Path, recipe: str, optimizer: str) -> Path:
    """Return the folder of a partition's reports. A file there with a name starting with `_` or `.` is no report."""
    return root / f"recipe={recipe}" / f"optimizer={optimizer}"


def single_location(root: Path, partition: PartitionKey, name: str) -> Location:
    """Return the location of a report in a file of its own."""
    return Location(*partition, name, partition_folder(root, *partition) / f"{name}.parquet")


def name_of(stored: datetime, report_id: str) -> str:
    """Return the name of a report: names sort by time."""
    return f"{stored:{TIME_IN_NAME}}-{report_id[:ID_IN_NAME]}"


def time_in(name: str) -> datetime:
    """Return the time in a report's name at which it was stored, in UTC."""
    return datetime.strptime(name.partition("-")[0], TIME_IN_NAME).replace(tzinfo=UTC)


def id_in(name: str) -> str:
    """Return the first digits of the report's id, from the end of its name."""
    return name.rpartition("-")[2]


def retry_if_moved(work: Callable[[], ReturnValue]) -> ReturnValue:
    """Return the result of `work`, which lists and reads files. Repeat it if a compaction removed one in between."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except FileNotFoundError:
            continue
    return work()


def list_reports(root: Path, recipe: str | None = None, optimizer: str | None = None) -> Listing:
    """Return the reports of the store at `root`; a recipe and an optimizer limit the folders that are read.

    The listing then holds at least their reports, and all reports of the former layout.
    """
    # Reports only ever move from `_compacted/` to the partitions' folders, so `_compacted/` is listed first. A report
    # that leaves it later is listed from there; one that left it before is in its partition's folder.
    merged = [read_merged(path) for path in former_files(root)]
    names_by_partition: dict[PartitionKey, list[str]] = {}
    for partition, folder in _partitions(root, recipe, optimizer):
        names_by_partition[partition], merged_paths = _list_partition(folder)
        _expect_names(root, partition, names_by_partition[partition])
        merged += map(read_merged, merged_paths)
    merged_reports, superseded = _count_once(merged)
    merged_keys: set[ReportKey] = set().union(*(file.keys for file in merged))
    single_reports: dict[PartitionKey, list[str]] = {}
    for partition, names in names_by_partition.items():
        unmerged = [name for name in names if (*partition, name) not in merged_keys]
        copies = [name for name in names if (*partition, name) in merged_keys]
        superseded += [single_location(root, partition, name).path for name in copies]
        if unmerged:
            single_reports[partition] = unmerged
    listed_files = [file for file in merged if file.path in merged_reports]
    return Listing(root, single_reports, listed_files, merged_reports, superseded)


def newest_location(root: Path, recipe: str, optimizer: str) -> Location | None:
    """Return the location of a partition's newest report, or None. Other folders are read only if that is needed."""
    names, _ = _names(partition_folder(root, recipe, optimizer))
    if names:
        _expect_names(root, (recipe, optimizer), names)
        return single_location(root, (recipe, optimizer), names[-1])
    # No file of its own: it was removed by hand, or the report lies in the merged file of a copied store.
    return list_reports(root, recipe, optimizer).newest().get((recipe, optimizer))


def single_names(root: Path) -> dict[PartitionKey, list[str]]:
    """Return the names of the single-report files by partition, oldest first, without reading merged files."""
    by_partition = {partition: _names(folder)[0] for partition, folder in _partitions(root)}
    return {partition: names for partition, names in by_partition.items() if names}


def former_files(root: Path) -> list[Path]:
    """Return the merged files in `_compacted/`, where earlier versions put them."""
    return [root / FORMER / name for name in sorted(_parquet_names(root / FORMER))]


def partition_folders(root: Path) -> list[Path]:
    """Return the folder of every partition that has one."""
    return [folder for _, folder in _partitions(root)]


def _expect_names(root: Path, partition: PartitionKey, names: Sequence[str]) -> None:
    """Reject unexpected file names: reports are ordered by the time in their name, and a renamed copy counts twice."""
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{single_location(root, partition, name).path}: not the name of a report, expected a name such as "
                "20260102T030405678901-1f0c9a7e.parquet; take it out of the store, or restore its former name"
            )


def _partitions(root: Path, recipe: str | None = None, optimizer: str | None = None) -> list[tuple[PartitionKey, Path]]:
    """Return partitions with their folders: all of them, or those of a recipe and of an optimizer configuration."""
    partitions = []
    for recipe_folder in _folders(root, "recipe=", recipe):
        for folder in _folders(Path(recipe_folder.path), "optimizer=", optimizer):
            partitions.append(((_key(recipe_folder.name), _key(folder.name)), Path(folder.path)))
    return partitions


def _list_partition(folder: Path) -> tuple[list[str], list[Path]]:
    """Return the names of a partition's single-report files, and the paths of its merged files."""
    # Single-report files come first: a report that a compaction moves afterwards is in a merged file. We list merged
    # files until two listings agree, so that no moment between one merge and the next is missed.
    names, merged = _names(folder)
    while (again := _names(folder)[1]) != merged:
        merged = again
    return names, [folder / f"{name}.parquet" for name in merged]


def _count_once(merged: Sequence[MergedFile]) -> tuple[dict[Path, Sequence[Location]], list[Path]]:
    """Assign each report to one of the merged files that hold it; return the reports by file, and the superseded files.

    The fullest file comes first. Files of the former layout come last: reports moved out of them count in their new
    file.
    """
    merged_reports: dict[Path, Sequence[Location]] = {}
    superseded: list[Path] = []
    assigned: set[ReportKey] = set()
    for file in sorted(merged, key=lambda file: (file.is_former, -len(file.locations), file.path)):
        if assigned.isdisjoint(file.keys):
            merged_reports[file.path] = file.locations
        elif file.keys <= assigned:
            superseded.append(file.path)
        else:  # copies of one store that were compacted separately, then copied into one folder
            merged_reports[file.path] = [location for location in file.locations if location.key not in assigned]
        assigned |= file.keys
    return merged_reports, superseded


def _folders(folder: Path, prefix: str, key: str | None) -> list[os.DirEntry[str]]:
    """Return the folders with a prefix in their name, sorted; with a key, the folder of that key."""
    try:
        with os.scandir(folder) as entries:  # many times as fast as pathlib for thousands of files
            folders = [entry for entry in entries if entry.name.startswith(prefix) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((entry for entry in folders if key in (None, _key(entry.name))), key=lambda entry: entry.name)


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the single-report files and of the merged files, without `.parquet`, oldest first."""
    single: list[str] = []
    merged: list[str] = []
    for name in sorted(name.removesuffix(".parquet") for name in _parquet_names(folder)):
        (merged if MERGED in name and MERGED_NAME.fullmatch(name) else single).append(name)
    return single, merged


def _parquet_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        return [name for name in names if name.endswith(".parquet") and not name.startswith(("_", "."))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _key(folder_name: str) -> str:
    return folder_name.split("=", 1)[1]
