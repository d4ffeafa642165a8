"""Store: the append-only reports, written and read. docs/reports.md is the page for its users.

A file appears by rename under a name of its own, so writers never meet and a reader sees whole reports only. Columns
are added, never changed (`schema.py`). Where reports lie is `files.py`, how their rows are read `reading.py`, how many
files become few `compaction.py`, SQL `views.py`. Every function here first gives a store of an earlier version the
layout of this one (`former_layout.py`). Without a `root` the store is that of the data folder.
"""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.reports import compaction, files
from pipeline.reports.files import ID_IN_NAME, id_in, list_reports, newest_place, partition_folder, settled
from pipeline.reports.former_layout import bring_up_to_date
from pipeline.reports.reading import read_reports, read_rows
from pipeline.reports.report import Block, Report
from pipeline.reports.schema import IN_PATH, SCHEMA
from pipeline.reports.views import VIEWS, QueryError, open_views, run
from pipeline.storage.paths import Paths
from pipeline.storage.whole import whole_file

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "SCHEMA",
    "VIEWS",
    "QueryError",
    "Report",
    "append",
    "compact",
    "connect",
    "find_report",
    "history_of",
    "latest",
    "latest_of_all",
    "partition_folder",
    "query",
    "read_all",
    "relation",
]
log = logging.getLogger(__name__)

MOST_NAMED = 5  # reports in a message


def append(root: Path, rows: list[dict[str, Any]]) -> Report:
    """Keep one report: all rows of one recipe and optimizer, without id and time, which are given here.

    It is on the disk under its name when this returns, or not at all where the disk is full. Its time is after that of
    every report of its partition, whatever the clock says. Older ones are compacted where they have become many.
    """
    if not rows:
        raise ValueError("a report needs at least one row; found none")
    recipe, optimizer = rows[0]["recipe"], rows[0]["optimizer"]
    bring_up_to_date(root)
    stored, report_id = _time_of_next(root, recipe, optimizer), uuid.uuid4().hex
    table = pa.Table.from_pylist([{**row, "report_id": report_id, "created_at": stored} for row in rows], schema=SCHEMA)
    folder = partition_folder(root, recipe, optimizer)
    path = folder / f"{files.name_of(stored, report_id)}.parquet"
    _write_whole(path, table.drop_columns(list(IN_PATH)))
    compaction.compact_when_many(root)
    return Report(path, Block.of_one(table))


def latest(root: Path, recipe: str, optimizer: str) -> Report | None:
    """The newest report of a partition, or None."""

    def read() -> Report | None:
        place = newest_place(root, recipe, optimizer)
        return None if place is None else read_reports([place])[0]

    bring_up_to_date(root)
    return settled(read)


def latest_of_all(root: Path, recipe: str | None = None) -> list[Report]:
    """The newest report of every partition (of one recipe), by recipe and optimizer."""

    def read() -> list[Report]:
        newest = list_reports(root, recipe).newest().values()
        return read_reports([place for place in newest if recipe in (None, place.recipe)])

    bring_up_to_date(root)
    return settled(read)


def history_of(root: Path, recipe: str | None = None, optimizer: str | None = None) -> list[Report]:
    """Every report ever stored (of one recipe, of one configuration), oldest first."""
    bring_up_to_date(root)
    return settled(lambda: read_reports(list_reports(root, recipe, optimizer).places(recipe, optimizer)))


def find_report(root: Path, report_id_prefix: str) -> Report:
    """The report whose id starts so; `ValueError` where there is none, or several."""
    wanted = report_id_prefix.strip().lower()

    def read() -> list[Report]:
        places = list_reports(root).places()
        alike = [place for place in places if id_in(place.name).startswith(wanted[:ID_IN_NAME])]
        if len(wanted) <= ID_IN_NAME and len(alike) > MOST_NAMED:
            raise ValueError(f"{len(alike):,} reports start with {wanted!r}; give more of the id's 32 digits")
        return [report for report in read_reports(alike) if report.report_id.startswith(wanted)]

    bring_up_to_date(root)
    found = settled(read)
    if not found:
        raise ValueError(f"no report starts with {wanted!r} under {root}; `SELECT report_id FROM runs` lists them")
    if len(found) > 1:
        names = ", ".join(f"{r.report_id} ({r.recipe} {r.optimizer})" for r in found)
        raise ValueError(f"{len(found)} reports start with {wanted!r}: {names}; give more of the id's 32 digits")
    return found[0]


def compact(root: Path) -> int:
    """Move all reports but the newest of each partition into few files; how many lay in files of their own.

    Done by `append` where they are many. Waits for another process that is at it.
    """
    return compaction.compact(root)


def read_all(root: Path | None = None, recipe: str | None = None) -> pa.Table:
    """Every row ever stored (of one recipe), oldest report first and by member, in `SCHEMA`."""
    return settled(lambda: _read_all(_up_to_date(root), recipe))


def connect(root: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the views `reports`, `history`, `runs` and `schema`.

    They are the store as it is now. A later compaction may remove files under them: connect again after an error that
    a file cannot be opened. `query` does so itself.
    """
    return open_views(_up_to_date(root))


def relation(view: str = "reports", root: Path | None = None) -> duckdb.DuckDBPyRelation:
    """One of the views as a DuckDB relation with a connection of its own, which it keeps open."""
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    return connect(root).view(view)


def query(sql: str, root: Path | None = None) -> pa.Table:
    """The rows of one SQL statement over the views; `QueryError`, in one line, for a mistake in it."""
    return run(_up_to_date(root), sql)


def _read_all(root: Path, recipe: str | None) -> pa.Table:
    tables = list(read_rows(list_reports(root, recipe).places(recipe), SCHEMA))
    if not tables:
        return SCHEMA.empty_table()
    table = pa.concat_tables(tables)
    report = np.repeat(np.arange(len(tables)), [len(rows) for rows in tables])
    order = np.lexsort((table["member"].to_numpy(), report))  # stable: metrics keep their order
    return table if (order == np.arange(len(order))).all() else table.take(order)


def _time_of_next(root: Path, recipe: str, optimizer: str) -> datetime:
    """Now, or just after the newest report of the partition where the clock is not past it."""
    now = datetime.now(UTC)
    try:
        newest = settled(lambda: newest_place(root, recipe, optimizer))
        return now if newest is None else max(now, files.time_in(newest.name) + timedelta(microseconds=1))
    except ValueError as error:  # what is no report in the store costs nobody the scores of this one
        log.warning("the report is stored with the time of the clock, be others newer or not: %s", error)
        return now


def _write_whole(path: Path, table: pa.Table) -> None:
    """A file that appears on the disk whole, or leaves nothing."""
    with whole_file(path) as temporary:  # smallest and largest values of long texts would double the file
        pq.write_table(table, temporary, write_statistics=False)


def _up_to_date(root: Path | None) -> Path:
    """The store at `root`, else that of the data folder, in the layout of this version."""
    store = Paths.default().reports() if root is None else root
    bring_up_to_date(store)
    return store
