"""Store: append reports and read them again. docs/reports.md is the page for its users.

A file appears by rename under a unique name, so writers never conflict and a reader sees complete reports only. Columns
are added, never changed (`schema.py`). `files.py` lists the reports, `reading.py` reads their rows, `compaction.py`
merges files, and `views.py` runs SQL. Every function here first converts a store of an earlier version
(`former_layout.py`). Without a `root`, the store is that of the data folder.
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
from pipeline.reports.files import ID_IN_NAME, id_in, list_reports, newest_location, partition_folder, retry_if_moved
from pipeline.reports.former_layout import bring_up_to_date
from pipeline.reports.reading import read_report_rows, read_reports
from pipeline.reports.report import Block, Report
from pipeline.reports.schema import IN_PATH, SCHEMA
from pipeline.reports.views import VIEWS, QueryError, open_views, run
from pipeline.storage.atomic import atomic_file
from pipeline.storage.paths import Paths

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

MOST_NAMED = 5  # reports listed in an error message


def append(root: Path, rows: list[dict[str, Any]]) -> Report:
    """Store one report and return it. `rows` are its rows without `report_id` and `created_at`, which are added here.

    The report is on the disk under its name when this returns; on a full disk it leaves nothing. Its time is later than
    that of every report of its partition, even if the clock was set back. Older reports are compacted once there are
    many.
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
    return Report(path, Block.from_report(table))


def latest(root: Path, recipe: str, optimizer: str) -> Report | None:
    """Return the newest report of a partition, or None."""

    def read() -> Report | None:
        location = newest_location(root, recipe, optimizer)
        return None if location is None else read_reports([location])[0]

    bring_up_to_date(root)
    return retry_if_moved(read)


def latest_of_all(root: Path, recipe: str | None = None) -> list[Report]:
    """Return the newest report of every partition (of one recipe), in the order of recipes and optimizers."""

    def read() -> list[Report]:
        newest = list_reports(root, recipe).newest().values()
        return read_reports([location for location in newest if recipe in (None, location.recipe)])

    bring_up_to_date(root)
    return retry_if_moved(read)


def history_of(root: Path, recipe: str | None = None, optimizer: str | None = None) -> list[Report]:
    """Return every report ever stored (of one recipe, of one configuration), oldest first."""
    bring_up_to_date(root)
    return retry_if_moved(lambda: read_reports(list_reports(root, recipe, optimizer).locations(recipe, optimizer)))


def find_report(root: Path, report_id_prefix: str) -> Report:
    """Return the report with this start of its id; `ValueError` if there is none, or more than one."""
    prefix = report_id_prefix.strip().lower()

    def read() -> list[Report]:
        locations = list_reports(root).locations()
        candidates = [location for location in locations if id_in(location.name).startswith(prefix[:ID_IN_NAME])]
        if len(prefix) <= ID_IN_NAME and len(candidates) > MOST_NAMED:
            raise ValueError(f"{len(candidates):,} reports start with {prefix!r}; give more of the id's 32 digits")
        return [report for report in read_reports(candidates) if report.report_id.startswith(prefix)]

    bring_up_to_date(root)
    reports = retry_if_moved(read)
    if not reports:
        raise ValueError(f"no report starts with {prefix!r} under {root}; `SELECT report_id FROM runs` lists them")
    if len(reports) > 1:
        names = ", ".join(f"{report.report_id} ({report.recipe} {report.optimizer})" for report in reports)
        raise ValueError(f"{len(reports)} reports start with {prefix!r}: {names}; give more of the id's 32 digits")
    return reports[0]


def compact(root: Path) -> int:
    """Merge all reports except each partition's newest into few files; return the number of files merged.

    `append` does so once there are many. Waits for another process that compacts.
    """
    return compaction.compact(root)


def read_all(root: Path | None = None, recipe: str | None = None) -> pa.Table:
    """Return every row ever stored (of one recipe) in `SCHEMA`, oldest report first and by member."""
    return retry_if_moved(lambda: _read_all(_up_to_date(root), recipe))


def connect(root: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with the views `reports`, `history`, `runs` and `schema`.

    The views list the files that exist now. A later compaction may remove some of them: after an error that a file
    cannot be opened, connect again. `query` does so itself.
    """
    return open_views(_up_to_date(root))


def relation(view: str = "reports", root: Path | None = None) -> duckdb.DuckDBPyRelation:
    """Return one of the views as a DuckDB relation, which keeps a connection of its own open."""
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    return connect(root).view(view)


def query(sql: str, root: Path | None = None) -> pa.Table:
    """Return the rows of one SQL statement over the views; a mistake in it is a `QueryError` of one line."""
    return run(_up_to_date(root), sql)


def _read_all(root: Path, recipe: str | None) -> pa.Table:
    tables = list(read_report_rows(list_reports(root, recipe).locations(recipe), SCHEMA))
    if not tables:
        return SCHEMA.empty_table()
    table = pa.concat_tables(tables)
    report = np.repeat(np.arange(len(tables)), [len(rows) for rows in tables])
    order = np.lexsort((table["member"].to_numpy(), report))  # stable: metrics keep their order
    return table if (order == np.arange(len(order))).all() else table.take(order)


def _time_of_next(root: Path, recipe: str, optimizer: str) -> datetime:
    """Return the current time, or a microsecond after the partition's newest report if the clock is behind it."""
    now = datetime.now(UTC)
    try:
        newest = retry_if_moved(lambda: newest_location(root, recipe, optimizer))
        return now if newest is None else max(now, files.time_in(newest.name) + timedelta(microseconds=1))
    except ValueError as error:  # a foreign file in the store must not cost the scores of this report
        log.warning(
            "could not read the newest report (%s); this report gets the current time, which may sort before it", error
        )
        return now


def _write_whole(path: Path, table: pa.Table) -> None:
    """Write a file that appears complete under its name, or not at all."""
    with atomic_file(path) as temporary:  # no statistics: those of long texts would double the file
        pq.write_table(table, temporary, write_statistics=False)


def _up_to_date(root: Path | None) -> Path:
    """Return the store at `root`, or that of the data folder, converted to the layout of this version."""
    store = Paths.default().reports() if root is None else root
    bring_up_to_date(store)
    return store
