"""Reading: the rows of the reports in a file, each found by its `Place`; which places there are is for `files.py`.

A file that is no report, or a folder or a dangling link of its name, is a `ValueError` of one sentence that names it. A
file that is gone is a `FileNotFoundError`: a compaction may have moved its reports.
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

INDEX = b"ganforge.merged"  # in a merged file's metadata: by row group [[[name, report id, rows], …], …]
FORMER = "_compacted"  # the folder in which earlier versions kept merged files of all partitions
FORMER_INDEX = b"ganforge.reports"  # in these files' metadata: [[recipe, optimizer, [[name, report id, rows], …]], …]
ReportsOfGroup = list[tuple[str, str, int]]  # of each report: name, id, number of rows
Partition = tuple[str, str]  # recipe, optimizer
Key = tuple[str, str, str]  # recipe, optimizer, name: one a report, wherever it lies


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

    @property
    def is_former(self) -> bool:
        """Whether an earlier version wrote it, with columns `recipe` and `optimizer`: reports of all partitions."""
        return is_former(self.path)


def is_former(path: Path) -> bool:
    """Whether a merged file lies where earlier versions put it."""
    return path.parent.name == FORMER


def read_reports(places: Sequence[Place]) -> list[Report]:
    """The reports at `places`, in that order, each row group read once; `FileNotFoundError` where a file is gone."""
    together: dict[tuple[Path, int | None], list[Place]] = {}
    for place in places:
        together.setdefault((place.path, place.group), []).append(place)
    found: dict[Key, Report] = {}
    for (path, group), alike in together.items():
        rows = conform(_read(path, group), path, _in_path(alike[0]), ENCODED)
        sizes = [len(rows) if group is None else place.rows for place in alike]
        block = Block(rows, [place.first_row for place in alike], sizes)
        found |= {place.key: Report(path, block, at) for at, place in enumerate(alike)}
    return [found[place.key] for place in places]


def read_rows(places: Sequence[Place], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of each report in `schema`; a row group is read once, when the first of its reports comes."""
    groups: dict[tuple[Path, int], pa.Table] = {}
    for place in places:
        if place.group is None:
            yield conform(_read(place.path, None), place.path, _in_path(place), schema)
            continue
        at = (place.path, place.group)
        if at not in groups:
            groups[at] = conform(_read(*at), place.path, _in_path(place), schema)
        yield groups[at].slice(place.first_row, place.rows)


def read_schema(path: Path) -> pa.Schema:
    """The columns of a file of reports, from its end alone; `ValueError` where they cannot be a report's."""
    with _opened(path):
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    expect_report(schema, metadata.num_rows, path)
    return schema


def read_index(path: Path) -> Merged:
    """A merged file's reports; `ValueError` where its rows are not as many as it lists."""
    with _opened(path):
        metadata = pq.read_metadata(path)
    try:
        places = tuple(_places(path, _groups(path, metadata.metadata)))
    except (KeyError, TypeError, ValueError) as error:
        raise no_report(path, "it has no list of its reports") from error
    listed: dict[int, int] = {}
    for place in places:
        listed[place.group or 0] = listed.get(place.group or 0, 0) + place.rows
    if listed != {group: metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)}:
        raise no_report(path, "its rows are not those of the reports that it lists")
    return Merged(path, places)


@lru_cache(maxsize=4096)
def read_merged(path: Path) -> Merged:
    """The same, read once a process: such a file never changes."""
    return read_index(path)


def _groups(path: Path, metadata: Mapping[bytes, bytes]) -> Iterator[tuple[str, str, ReportsOfGroup]]:
    """Of each row group of a merged file its recipe, its optimizer configuration and its reports."""
    if is_former(path):
        yield from json.loads(metadata[FORMER_INDEX])
        return
    recipe, optimizer = (folder.name.partition("=")[2] for folder in (path.parent.parent, path.parent))
    for reports in json.loads(metadata[INDEX]):
        yield recipe, optimizer, reports


def _places(path: Path, groups: Iterable[tuple[str, str, ReportsOfGroup]]) -> Iterator[Place]:
    for group, (recipe, optimizer, reports) in enumerate(groups):
        first_row = 0
        for name, report_id, rows in reports:
            yield Place(recipe, optimizer, name, path, group, first_row, rows, report_id)
            first_row += rows


def _in_path(place: Place) -> Mapping[str, str]:
    """The columns that a file does not hold, since its folder names them."""
    return {"recipe": place.recipe, "optimizer": place.optimizer}


def _read(path: Path, group: int | None) -> pa.Table:
    """A whole file, or one row group; texts as the dictionaries they are stored as, a tenth of the memory."""
    with _opened(path):
        metadata = pq.read_metadata(path)
        known = set(metadata.schema.to_arrow_schema().names)
        texts = [field.name for field in ENCODED if pa.types.is_dictionary(field.type) and field.name in known]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=texts) as file:
            return file.read(use_threads=False) if group is None else file.read_row_group(group, use_threads=False)


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """Say in one sentence why `path` cannot be read as Parquet."""
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
