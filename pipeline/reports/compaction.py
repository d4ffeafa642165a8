"""Compaction: many files of one report each become few files of many, and nothing is lost on the way.

The newest report of every partition stays a file of its own. A compaction writes the others to one more file under
`_compacted/`, reads back what it lists, lets it appear by rename, and then removes them; who reads meanwhile counts a
report once (`files.py`). What a killed process leaves behind, the next compaction removes. One process compacts at a
time.

A batch takes in every merged file that holds no more reports than the batch itself, so sizes at least double from file
to file and n reports lie in O(log n) files, each rewritten O(log n) times. Source: the logarithmic method, Bentley and
Saxe, Decomposable searching problems I, J. Algorithms 1 (1980).
"""

from __future__ import annotations

import fcntl
import json
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports.files import COMPACTED, Listing, list_reports, loose_names
from pipeline.reports.reading import INDEX, Place, read_index, read_rows, read_schema
from pipeline.reports.schema import SCHEMA
from pipeline.storage.whole import UNFINISHED, flush, whole_file

log = logging.getLogger(__name__)

MOST_LOOSE = 500  # files of one report beyond the newest of each partition; see docs/reports.md for what they cost
GROUP_ROWS = 100_000  # in a row group, about: what is in memory at a time
ABANDONED_SECONDS = 24 * 60 * 60
SEARCHED = ["report_id", "created_at", "recipe", "optimizer", "metric"]  # columns with smallest and largest values
Entry = tuple[str, str, list[tuple[str, str, int]]]  # of the index, see `reading.INDEX`


def compact(root: Path, *, wait: bool = True) -> int:
    """Move all reports but the newest of each partition into few files; how many were files of their own until now.

    With `wait` another process's compaction is waited for, else nothing is done beside one.
    """
    if not root.is_dir():
        return 0
    with _alone(root, wait) as got:
        if not got:
            return 0
        _sweep(root)
        listing = list_reports(root)
        newest = listing.newest()
        loose = [place for place in listing.loose_places() if newest[place.partition] != place]
        if loose:
            taken_in = _taken_in(listing, len(loose))
            held = [place for path in taken_in for place in listing.counted[path]]
            _merge(root, [*loose, *held])
            _remove([*(place.path for place in loose), *taken_in])
        return len(loose)


def compact_when_many(root: Path) -> None:
    """Compact a store that is slow to read by now, unless another process does; a failure is logged, no row is lost."""
    spare = sum(len(names) - 1 for names in loose_names(root).values())
    if spare <= MOST_LOOSE:
        return
    try:
        compact(root, wait=False)
    except (OSError, ValueError) as error:
        log.warning("the report is stored, but the store was not compacted: %s", error)


def _taken_in(listing: Listing, batch: int) -> list[Path]:
    """The merged files to merge again with a batch of so many reports."""
    taken: list[Path] = []
    for path, places in sorted(listing.counted.items(), key=lambda item: (len(item[1]), item[0])):
        if len(places) > batch:
            break
        taken.append(path)
        batch += len(places)
    return taken


def _merge(root: Path, places: Sequence[Place]) -> Path:
    """A merged file of the reports at `places`, on the disk and its list of reports read back before it appears."""
    folder = root / COMPACTED
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.parquet"
    with whole_file(path) as temporary:
        with temporary.open("wb") as file:
            _write(file, sorted(places, key=lambda place: place.key))
        if read_index(temporary).keys != {place.key for place in places}:
            raise ValueError(f"{path}: does not list the reports that were merged into it; nothing was removed")
    flush(folder)
    return path


def _write(file: object, places: Sequence[Place]) -> None:
    """Row groups by partition, and the index of the reports in them."""
    schema = _schema_of({place.path for place in places})
    entries: list[Entry] = []
    with pq.ParquetWriter(file, schema, compression="zstd", write_statistics=SEARCHED) as writer:
        for _, of_partition in groupby(places, key=lambda place: place.partition):
            for entry, rows in _groups(of_partition, schema):
                writer.write_table(rows, row_group_size=len(rows))
                entries.append(entry)
        writer.add_key_value_metadata({INDEX: json.dumps(entries, separators=(",", ":"))})


def _groups(places: Iterable[Place], schema: pa.Schema) -> Iterator[tuple[Entry, pa.Table]]:
    """The reports of one partition, as many at a time as make a row group."""
    known = list(places)
    reports: list[tuple[str, str, int]] = []
    tables: list[pa.Table] = []
    for place, rows in zip(known, read_rows(known, schema), strict=True):
        reports.append((place.name, rows["report_id"][0].as_py(), len(rows)))
        tables.append(rows)
        if place is known[-1] or sum(map(len, tables)) >= GROUP_ROWS:
            yield (place.recipe, place.optimizer, reports), pa.concat_tables(tables)
            reports, tables = [], []


def _schema_of(paths: Iterable[Path]) -> pa.Schema:
    """`SCHEMA` and the columns that a newer version wrote into one of the files: they are kept."""
    added: dict[str, pa.Field] = {}
    for path in sorted(paths):
        found = read_schema(path)
        for field in found:
            if field.name in SCHEMA.names:
                continue
            known = added.setdefault(field.name, pa.field(field.name, field.type))
            if known.type != field.type:
                raise ValueError(
                    f"{path}: column {field.name} is {field.type}, but {known.type} in another report; "
                    "compact with the version of ganforge that wrote it"
                )
    return pa.schema([*SCHEMA, *added.values()])


def _sweep(root: Path) -> None:
    """Remove what a killed process left: reports that a merged file holds, and unfinished files."""
    _remove(list_reports(root).left)
    _remove((root / COMPACTED).glob(f".*{UNFINISHED}"))
    _remove(path for path in root.glob(f"recipe=*/optimizer=*/.*{UNFINISHED}") if _is_abandoned(path))


def _is_abandoned(unfinished: Path) -> bool:
    """Nobody writes a report for a day; a younger file may be another process's, which holds no lock."""
    try:
        return time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:  # finished meanwhile
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextmanager
def _alone(root: Path, wait: bool) -> Iterator[bool]:
    """Whether this process is the one that compacts; the lock goes with the process, however it ends."""
    with (root / f".{COMPACTED}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
