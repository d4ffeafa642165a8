"""Reading: read the rows of reports at their `Location`s, which `files.py` lists.

A file that is no report is a `ValueError` of one sentence with its path; so is a folder or a dangling link in place of
a file. A missing file is a `FileNotFoundError`: a compaction may have moved its reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports.report import Block, Report
from pipeline.reports.schema import ENCODED, conform, expect_report, no_report

INDEX = b"ganforge.merged"  # metadata of a merged file, per row group: [[[name, report id, rows], …], …]
FORMER = "_compacted"  # folder in which earlier versions kept merged files of all partitions
FORMER_INDEX = b"ganforge.reports"  # metadata of those files: [[recipe, optimizer, [[name, report id, rows], …]], …]
ReportsOfGroup = list[tuple[str, str, int]]  # name, id and number of rows per report of a row group
PartitionKey = tuple[str, str]  # recipe, optimizer
ReportKey = tuple[str, str, str]  # recipe, optimizer, name: unique per report, in whichever files it lies


@dataclass(frozen=True)
class Location:
    """The file, row group and rows that hold a report."""

    recipe: str
    optimizer: str
    name: str  # <time>-<first 8 digits of the report's id>: sorts by time
    path: Path
    group: int | None = None  # row group of a merged file; None: a file of its own
    first_row: int = 0  # in the row group
    rows: int = 0  # in a merged file; 0: a file of its own, all rows
    report_id: str = ""  # in a merged file; empty: a file of its own

    @property
    def partition(self) -> PartitionKey:
        """The report's recipe and optimizer configuration."""
        return self.recipe, self.optimizer

    @property
    def key(self) -> ReportKey:
        """The report's key, which is equal for two locations of one report."""
        return self.recipe, self.optimizer, self.name


@dataclass(frozen=True)
class MergedFile:
    """A file that holds many reports, with its index."""

    path: Path
    locations: tuple[Location, ...]  # by partition and time

    @cached_property
    def keys(self) -> frozenset[ReportKey]:
        """The keys of the file's reports."""
        return frozenset(location.key for location in self.locations)

    @property
    def is_former(self) -> bool:
        """True for a file of an earlier version: all partitions, with recipe and optimizer as columns."""
        return is_former(self.path)


def is_former(path: Path) -> bool:
    """Return whether a merged file lies in the folder that earlier versions used."""
    return path.parent.name == FORMER


def read_reports(locations: Sequence[Location]) -> list[Report]:
    """Return the reports at `locations`, in that order. Each row group is read once.

    Raises `FileNotFoundError` if a file is missing.
    """
    by_group: dict[tuple[Path, int | None], list[Location]] = {}
    for location in locations:
        by_group.setdefault((location.path, location.group), []).append(location)
    reports: dict[ReportKey, Report] = {}
    for (path, group), in_group in by_group.items():
        rows = conform(_read(path, group), path, _in_path(in_group[0]), ENCODED)
        sizes = [len(rows) if group is None else location.rows for location in in_group]
        block = Block(rows, [location.first_row for location in in_group], sizes)
        reports |= {location.key: Report(path, block, index) for index, location in enumerate(in_group)}
    return [reports[location.key] for location in locations]


def read_report_rows(locations: Sequence[Location], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of each report in `schema`. A row group is read once, for the first of its reports."""
    groups: dict[tuple[Path, int], pa.Table] = {}
    for location in locations:
        if location.group is None:
            yield conform(_read(location.path, None), location.path, _in_path(location), schema)
            continue
        group = (location.path, location.group)
        if group not in groups:
            groups[group] = conform(_read(*group), location.path, _in_path(location), schema)
        yield groups[group].slice(location.first_row, location.rows)


def read_schema(path: Path) -> pa.Schema:
    """Return the columns of a file of reports; `ValueError` if they cannot be a report's."""
    with _opened(path):  # reads the end of the file only, where Parquet keeps its metadata
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    expect_report(schema, metadata.num_rows, path)
    return schema


def read_index(path: Path) -> MergedFile:
    """Return a merged file with the list of its reports; `ValueError` if it lists more or fewer rows than it has."""
    with _opened(path):
        metadata = pq.read_metadata(path)
    try:
        locations = tuple(_places(path, _groups(path, metadata.metadata)))
    except (KeyError, TypeError, ValueError) as error:
        raise no_report(path, "it has no list of its reports") from error
    listed: dict[int, int] = {}
    for location in locations:
        listed[location.group or 0] = listed.get(location.group or 0, 0) + location.rows
    if listed != {group: metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)}:
        raise no_report(path, "its rows are not those of the reports that it lists")
    return MergedFile(path, locations)


@lru_cache(maxsize=4096)
def read_merged(path: Path) -> MergedFile:
    """Return a merged file with the list of its reports, cached for the process, since the file never changes."""
    return read_index(path)


def _groups(path: Path, metadata: Mapping[bytes, bytes]) -> Iterator[tuple[str, str, ReportsOfGroup]]:
    """Yield the recipe, the optimizer configuration and the reports of each row group of a merged file."""
    if is_former(path):
        yield from json.loads(metadata[FORMER_INDEX])
        return
    recipe, optimizer = (folder.name.partition("=")[2] for folder in (path.parent.parent, path.parent))
    for reports in json.loads(metadata[INDEX]):
        yield recipe, optimizer, reports


def _places(path: Path, groups: Iterable[tuple[str, str, ReportsOfGroup]]) -> Iterator[Location]:
    for group, (recipe, optimizer, reports) in enumerate(groups):
        first_row = 0
        for name, report_id, rows in reports:
            yield Location(recipe, optimizer, name, path, group, first_row, rows, report_id)
            first_row += rows


def _in_path(location: Location) -> Mapping[str, str]:
    """Return the columns that the file lacks because the name of its folder contains them."""
    return {"recipe": location.recipe, "optimizer": location.optimizer}


def _read(path: Path, group: int | None) -> pa.Table:
    """Return a whole file, or one row group."""
    with _opened(path):
        metadata = pq.read_metadata(path)
        columns = set(metadata.schema.to_arrow_schema().names)
        # Texts stay dictionary-encoded, as they are stored: a tenth of the memory.
        texts = [field.name for field in ENCODED if pa.types.is_dictionary(field.type) and field.name in columns]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=texts) as file:
            return file.read(use_threads=False) if group is None else file.read_row_group(group, use_threads=False)


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """Raise a `ValueError` of one sentence if `path` cannot be read as Parquet."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise no_report(path, " ".join(str(error).split())[:200]) from error
    except OSError as error:
        if path.is_dir():
            raise no_report(path, "it is a folder") from error
        if path.is_symlink() and not path.exists():
            raise no_report(path, "it is a link to a file that is not there") from error
        raise
