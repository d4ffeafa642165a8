"""Merging: write the rows of many reports of one partition to one file, which appears complete or not at all.

In: the locations of the reports. Out: `<time>-merged-<8 digits>.parquet` in the partition's folder, with row groups of
about `GROUP_ROWS` rows, and the list of its reports in its metadata. It has no columns `recipe` and `optimizer`, since
its folder names them: a reader sees the columns of a single-report file. `compaction.py` and `former_layout.py` choose
the reports and remove the files they came from.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports.files import MERGED, TIME_IN_NAME, partition_folder
from pipeline.reports.reading import (
    INDEX,
    Location,
    PartitionKey,
    ReportsOfGroup,
    read_index,
    read_report_rows,
    read_schema,
)
from pipeline.reports.schema import IN_PATH, SCHEMA
from pipeline.storage.atomic import atomic_file, flush

GROUP_ROWS = 100_000  # about so many rows per row group; one group is in memory at a time
SEARCHED = ["report_id", "created_at", "metric"]  # columns with statistics, which let readers skip row groups


def merge(root: Path, partition: PartitionKey, locations: Sequence[Location]) -> Path:
    """Write a merged file of the reports at `locations`, all of one partition, and return its path. Remove no file.

    The list of its reports is read back before it appears, and it is on the disk when this returns.
    """
    folder = partition_folder(root, *partition)
    path = folder / f"{datetime.now(UTC):{TIME_IN_NAME}}{MERGED}{uuid.uuid4().hex[:8]}.parquet"
    changed = [folder] if folder.is_dir() else [folder, folder.parent, root]  # folders with a new entry
    with atomic_file(path) as temporary:
        with temporary.open("wb") as file:
            _write(file, sorted(locations, key=lambda location: location.key))
        if read_index(temporary).keys != {location.key for location in locations}:
            raise ValueError(f"{path}: does not list the reports that were merged into it; nothing was removed")
    for changed_folder in changed:
        flush(changed_folder)
    return path


def _write(file: object, locations: Sequence[Location]) -> None:
    """Write the row groups, and the index of their reports."""
    schema = _schema_of({location.path for location in locations})
    index: list[ReportsOfGroup] = []
    with pq.ParquetWriter(file, schema, compression="zstd", write_statistics=SEARCHED) as writer:
        for reports, rows in _groups(locations, schema):
            writer.write_table(rows, row_group_size=len(rows))
            index.append(reports)
        writer.add_key_value_metadata({INDEX: json.dumps(index, separators=(",", ":"))})


def _groups(locations: Sequence[Location], schema: pa.Schema) -> Iterator[tuple[ReportsOfGroup, pa.Table]]:
    """Yield the list and the rows of one row group after the other."""
    reports: ReportsOfGroup = []
    tables: list[pa.Table] = []
    for location, rows in zip(locations, read_report_rows(locations, schema), strict=True):
        reports.append((location.name, rows["report_id"][0].as_py(), len(rows)))
        tables.append(rows)
        if location is locations[-1] or sum(map(len, tables)) >= GROUP_ROWS:
            yield reports, pa.concat_tables(tables)
            reports, tables = [], []


def _schema_of(paths: Iterable[Path]) -> pa.Schema:
    """Return `SCHEMA` without the columns of the path, plus columns that a newer version added to one of the files."""
    added: dict[str, pa.Field] = {}
    for path in sorted(paths):
        for field in read_schema(path):
            if field.name in SCHEMA.names:
                continue
            first = added.setdefault(field.name, pa.field(field.name, field.type))
            if first.type != field.type:
                raise ValueError(
                    f"{path}: column {field.name} is {field.type}, but {first.type} in another report; "
                    "compact with the version of ganforge that wrote it"
                )
    return pa.schema([*(field for field in SCHEMA if field.name not in IN_PATH), *added.values()])
