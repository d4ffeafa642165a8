"""Files: which reports the store holds, and where each lies; its rows are for `reading.py`.

A partition has the folder `recipe=…/optimizer=…/`. A report is a file of its own there, `<time>-<start of its
id>.parquet`, until a compaction moves it into a file of many beside it, `<time>-merged-<8 digits>.parquet`, whose
metadata list its reports. While a compaction runs, or after it was killed, a report may lie in both: it is listed once.

Earlier versions kept files of many in `_compacted/`, of all partitions. `former_layout.py` moves them; until then, and
where the store cannot be written to, they are listed too. Nothing here writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.reports.reading import FORMER, Key, Merged, Partition, Place, read_merged

ATTEMPTS = 100  # to read while compactions move reports; one is nearly always enough
TIME_IN_NAME = "%Y%m%dT%H%M%S%f"  # UTC, to the microsecond
NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
MERGED = "-merged-"  # in the name of a file of many reports, between its time and its digits
MERGED_NAME = re.compile(rf"\d{{8}}T\d{{12}}{MERGED}[0-9a-f]{{8}}")
ID_IN_NAME = 8  # digits of a report's id
Result = TypeVar("Result")


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
        return not all(os.path.lexists(path) for path in self.paths())

    def paths(self) -> list[Path]:
        """All files that hold a report."""
        return [*(place.path for place in self.loose_places()), *self.counted]


def partition_folder(root: Path, recipe: str, optimizer: str) -> Path:
    """The folder of a partition's reports; a file there whose name starts with `_` or `.` is no report."""
    return root / f"recipe={recipe}" / f"optimizer={optimizer}"


def loose_place(root: Path, partition: Partition, name: str) -> Place:
    """The place of a report in a file of its own."""
    return Place(*partition, name, partition_folder(root, *partition) / f"{name}.parquet")


def name_of(stored: datetime, report_id: str) -> str:
    """The name of a report: names sort by time."""
    return f"{stored:{TIME_IN_NAME}}-{report_id[:ID_IN_NAME]}"


def time_in(name: str) -> datetime:
    """When the report of a name was stored, UTC."""
    return datetime.strptime(name.partition("-")[0], TIME_IN_NAME).replace(tzinfo=UTC)


def id_in(name: str) -> str:
    """The first digits of its id."""
    return name.rpartition("-")[2]


def settled(work: Callable[[], Result]) -> Result:
    """Return the result of `work`, which lists and reads files; repeat it if a compaction removed one in between."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except FileNotFoundError:
            continue
    return work()


def list_reports(root: Path, recipe: str | None = None, optimizer: str | None = None) -> Listing:
    """Return what the store at `root` holds now; with a recipe and an optimizer, at least what it holds of those.

    Reports only ever move from `_compacted/` to the partitions' folders, so `_compacted/` is listed first: a report
    that leaves it later is still listed from there, and one that left it before is found in its folder.
    """
    merged = [read_merged(path) for path in former_files(root)]
    loose: dict[Partition, list[str]] = {}
    for partition, folder in _partitions(root, recipe, optimizer):
        loose[partition], of_many = _list_partition(folder)
        _expect_names(root, partition, loose[partition])
        merged += map(read_merged, of_many)
    counted, left = _count_once(merged)
    held: set[Key] = set().union(*(file.keys for file in merged))
    kept: dict[Partition, list[str]] = {}
    for partition, names in loose.items():
        alone = [name for name in names if (*partition, name) not in held]
        left += [loose_place(root, partition, name).path for name in names if (*partition, name) in held]
        if alone:
            kept[partition] = alone
    return Listing(root, kept, [file for file in merged if file.path in counted], counted, left)


def newest_place(root: Path, recipe: str, optimizer: str) -> Place | None:
    """Where the newest report of a partition lies, or None; other partitions are looked at where it must be."""
    names, _ = _names(partition_folder(root, recipe, optimizer))
    if names:
        _expect_names(root, (recipe, optimizer), names)
        return loose_place(root, (recipe, optimizer), names[-1])
    # its file was taken away by hand, or lies in a copy's merged file
    return list_reports(root, recipe, optimizer).newest().get((recipe, optimizer))


def loose_names(root: Path) -> dict[Partition, list[str]]:
    """The files of one report each, by partition, oldest first; merged files are not looked at."""
    found = {partition: _names(folder)[0] for partition, folder in _partitions(root)}
    return {partition: names for partition, names in found.items() if names}


def former_files(root: Path) -> list[Path]:
    """Return the files of many reports in `_compacted/`, where earlier versions put them."""
    return [root / FORMER / name for name in sorted(_parquet_names(root / FORMER))]


def partition_folders(root: Path) -> list[Path]:
    """Return the folder of every partition that has one."""
    return [folder for _, folder in _partitions(root)]


def _expect_names(root: Path, partition: Partition, names: Sequence[str]) -> None:
    """A file of another name would sort to a time that nobody knows, and a copy of a report would count as a second."""
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{loose_place(root, partition, name).path}: not the name of a report, which is such as "
                "20260102T030405678901-1f0c9a7e.parquet; take it out of the store, or give it its own name again"
            )


def _partitions(root: Path, recipe: str | None = None, optimizer: str | None = None) -> list[tuple[Partition, Path]]:
    """Return partitions with their folders: all of them, or those of a recipe and of an optimizer configuration."""
    found = []
    for of_recipe in _folders(root, "recipe=", recipe):
        for folder in _folders(Path(of_recipe.path), "optimizer=", optimizer):
            found.append(((_key(of_recipe.name), _key(folder.name)), Path(folder.path)))
    return found


def _list_partition(folder: Path) -> tuple[list[str], list[Path]]:
    """Return the names of a partition's files of one report, and its files of many.

    Files of one report are listed first: those that a compaction then moves lie in a file of many. These are listed
    until two listings agree: no moment is then missed between one merge and the next.
    """
    names, merged = _names(folder)
    while (again := _names(folder)[1]) != merged:
        merged = again
    return names, [folder / f"{name}.parquet" for name in merged]


def _count_once(merged: Sequence[Merged]) -> tuple[dict[Path, Sequence[Place]], list[Path]]:
    """By file the reports it counts for, the fullest file first; and the files that others hold all of.

    Files of the former layout come last: what was moved out of them already counts where it lies now.
    """
    counted: dict[Path, Sequence[Place]] = {}
    left: list[Path] = []
    held: set[Key] = set()
    for file in sorted(merged, key=lambda file: (file.is_former, -len(file.places), file.path)):
        if held.isdisjoint(file.keys):
            counted[file.path] = file.places
        elif file.keys <= held:
            left.append(file.path)
        else:  # copies of one store that were compacted apart, and copied together again
            counted[file.path] = [place for place in file.places if place.key not in held]
        held |= file.keys
    return counted, left


def _folders(folder: Path, prefix: str, key: str | None) -> list[os.DirEntry[str]]:
    """Return the folders whose names have a prefix, in their order; with a key, the one of that key."""
    try:
        with os.scandir(folder) as entries:  # many times as fast as pathlib where there are thousands of files
            found = [entry for entry in entries if entry.name.startswith(prefix) and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((each for each in found if key in (None, _key(each.name))), key=lambda entry: entry.name)


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the files of one report and those of the files of many, without `.parquet`, oldest first."""
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
