"""Merging: one file of the rows of many reports of one partition, which appears whole or not at all.

In: the places of the reports. Out: `<time>-merged-<8 digits>.parquet` in the partition's folder, with row groups of
about `GROUP_ROWS` rows, and the list of its reports in its metadata. Like a file of one report it has no columns
`recipe` and `optimizer`, which its folder names: every reader sees one kind of file. Which reports are merged, and
when the files they came from are removed, is for `compaction.py` and `former_layout.py`.
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
from pipeline.reports.reading import INDEX, Partition, Place, ReportsOfGroup, read_index, read_rows, read_schema
from pipeline.reports.schema import IN_PATH, SCHEMA
from pipeline.storage.whole import flush, whole_file

GROUP_ROWS = 100_000  # in a row group, about: what is in memory at a time
SEARCHED = ["report_id", "created_at", "metric"]  # columns with smallest and largest values


def merge(root: Path, partition: Partition, places: Sequence[Place]) -> Path:
    """Write a merged file of the reports at `places`, all of one partition; nothing is removed.

    Its list of reports is read back before it appears, and it is on the disk when this returns.
    """
    folder = partition_folder(root, *partition)
    path = folder / f"{datetime.now(UTC):{TIME_IN_NAME}}{MERGED}{uuid.uuid4().hex[:8]}.parquet"
    changed = [folder] if folder.is_dir() else [folder, folder.parent, root]  # whose names must reach the disk
    with whole_file(path) as temporary:
        with temporary.open("wb") as file:
            _write(file, sorted(places, key=lambda place: place.key))
        if read_index(temporary).keys != {place.key for place in places}:
            raise ValueError(f"{path}: does not list the reports that were merged into it; nothing was removed")
    for each in changed:
        flush(each)
    return path


def _write(file: object, places: Sequence[Place]) -> None:
    """Write the row groups, and the index of the reports in them."""
    schema = _schema_of({place.path for place in places})
    index: list[ReportsOfGroup] = []
    with pq.ParquetWriter(file, schema, compression="zstd", write_statistics=SEARCHED) as writer:
        for reports, rows in _groups(places, schema):
            writer.write_table(rows, row_group_size=len(rows))
            index.append(reports)
        writer.add_key_value_metadata({INDEX: json.dumps(index, separators=(",", ":"))})


def _groups(places: Sequence[Place], schema: pa.Schema) -> Iterator[tuple[ReportsOfGroup, pa.Table]]:
    """The reports, as many at a time as make a row group."""
    reports: ReportsOfGroup = []
    tables: list[pa.Table] = []
    for place, rows in zip(places, read_rows(places, schema), strict=True):
        reports.append((place.name, rows["report_id"][0].as_py(), len(rows)))
        tables.append(rows)
        if place is places[-1] or sum(map(len, tables)) >= GROUP_ROWS:
            yield reports, pa.concat_tables(tables)
            reports, tables = [], []


def _schema_of(paths: Iterable[Path]) -> pa.Schema:
    """`SCHEMA` without the columns of the path, and with those that a newer version wrote into one of the files."""
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
    return pa.schema([*(field for field in SCHEMA if field.name not in IN_PATH), *added.values()])
