"""Views: the store for SQL. DuckDB reads the files in place; nothing is copied, and nothing can be written.

`reports`  rows of the newest report of every partition
`history`  rows of every report ever stored
`runs`     one row a report: what is the same in all its rows, and whether it is the newest of its partition
`schema`   the columns: type and description

DuckDB is imported when a connection is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.reports.files import Listing, list_reports, settled
from pipeline.reports.reading import Place, is_former, read_schema
from pipeline.reports.schema import COLUMNS, IN_PATH, RUN_COLUMNS, SCHEMA, sql_type

if TYPE_CHECKING:
    import duckdb

VIEWS = ("reports", "history", "runs", "schema")
SETTINGS = {  # the last saves opening every file again for every use of a view
    "TimeZone": "'UTC'",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "parquet_metadata_cache": "true",
}
FIRST_WORDS = {"select", "with", "from", "pivot", "pivot_wider", "unpivot", "pivot_longer", "table", "values"}
TAKEN = "taken are statements that return rows, one at a time: SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, PIVOT"
LONGEST_MESSAGE = 400


class QueryError(ValueError):
    """A statement that cannot be run, or a mistake in it, as one line."""


def open_views(root: Path) -> duckdb.DuckDBPyConnection:
    """A connection of its own with the four views on the store at `root`; `ValueError` for a file that is no report."""
    return settled(lambda: _open(list_reports(root), VIEWS))


def run(root: Path, sql: str) -> pa.Table:
    """The rows of one statement; with new views where a compaction takes files away meanwhile."""
    _expect_one_statement(sql)
    return settled(lambda: _run(list_reports(root), sql))


def _run(listing: Listing, sql: str) -> pa.Table:
    import duckdb

    connection = _open(listing, _named(sql))
    try:
        connection.execute("SET python_enable_replacements = false")  # or a variable here would be a table
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        _expect_present(listing, error)
        raise QueryError(_one_line(error)) from error
    finally:
        connection.close()


def _named(sql: str) -> Sequence[str]:
    """The views that a statement may name, all where it names none: making one opens all its files."""
    named = [view for view in VIEWS if view in sql.lower()]
    return named or VIEWS


def _open(listing: Listing, views: Sequence[str]) -> duckdb.DuckDBPyConnection:
    import duckdb

    _expect_reports(listing, views)
    connection = duckdb.connect()
    for name, value in SETTINGS.items():
        connection.execute(f"SET {name} = {value}")
    try:
        _create(connection, listing, views)
    except duckdb.Error as error:
        connection.close()
        _expect_present(listing, error)
        raise ValueError(f"{listing.root}: these reports cannot be read: {_one_line(error)}") from error
    return connection


def _create(connection: duckdb.DuckDBPyConnection, listing: Listing, views: Sequence[str]) -> None:
    connection.execute(f"CREATE VIEW schema AS {_schema_sql()}")
    if "history" in views or "runs" in views:
        connection.execute(f"CREATE VIEW history AS {_history_sql(listing)}")
    if "reports" in views or "runs" in views:
        connection.execute(f"CREATE VIEW reports AS {_newest_sql(listing.newest().values())}")
    if "runs" in views:
        connection.execute(f"CREATE VIEW runs AS {_runs_sql()}")


def _history_sql(listing: Listing) -> str:
    whole = [file.path for file in listing.merged if len(listing.counted[file.path]) == len(file.places)]
    parts = _rows_sql([*(place.path for place in listing.loose_places()), *whole])
    for path, places in listing.counted.items():
        parts += _rows_sql([path], places) if path not in whole else []
    return _together(parts)


def _newest_sql(places: Iterable[Place]) -> str:
    merged: dict[Path, list[Place]] = {}
    for place in (known := list(places)):
        if place.group is not None:
            merged.setdefault(place.path, []).append(place)
    parts = _rows_sql([place.path for place in known if place.group is None])
    for path, of_file in merged.items():
        parts += _rows_sql([path], of_file)
    return _together(parts)


def _together(parts: Sequence[str]) -> str:
    """All columns of `SCHEMA` in its order, null where a file lacks one."""
    empty = ", ".join(f"CAST(NULL AS {sql_type(field.type)}) AS {_name(field.name)}" for field in SCHEMA)
    found = [f"SELECT {empty} WHERE false", *parts]
    return f"SELECT {', '.join(map(_name, SCHEMA.names))} FROM ({' UNION ALL BY NAME '.join(found)})"


def _rows_sql(paths: Sequence[Path], only: Sequence[Place] = ()) -> list[str]:
    """Statements for the rows of files, or of some of the reports in them."""
    which = f" WHERE report_id IN ({_list(place.report_id for place in only)})" if only else ""
    former = [str(path) for path in paths if is_former(path)]
    others = [str(path) for path in paths if not is_former(path)]
    found = [f"SELECT * FROM read_parquet([{_list(former)}], {_OPTIONS}){which}"] if former else []
    return [*found, f"{_partition_sql(others)}{which}"] if others else found


def _partition_sql(paths: Sequence[str]) -> str:
    """Rows of files whose recipe and optimizer are the names of their folders."""
    in_path = ", ".join(
        f"parse_path(filename)[{at}][{len(name) + 2}:] AS {_name(name)}"
        for at, name in zip((-3, -2), IN_PATH, strict=True)
    )
    others = f"COLUMNS(lambda name: name NOT IN ({_list(['filename', *IN_PATH])}))"
    return f"SELECT {others}, {in_path} FROM read_parquet([{_list(paths)}], filename = true, {_OPTIONS})"


_OPTIONS = "union_by_name = true, hive_partitioning = false"  # the data folder's own path may look like a partition


def _runs_sql() -> str:
    columns = [name for name in RUN_COLUMNS if name not in ("report_id", "newest")]
    facts = ", ".join(f"any_value({_name(name)}) AS {_name(name)}" for name in columns)
    newest = "report_id IN (SELECT report_id FROM reports) AS newest"
    grouped = f"SELECT report_id, {facts} FROM history GROUP BY report_id"
    return f"SELECT {', '.join(map(_name, RUN_COLUMNS))} FROM (SELECT *, {newest} FROM ({grouped}))"


def _schema_sql() -> str:
    rows = ", ".join(f"({_list([name, sql_type(type_), description])})" for name, type_, description in COLUMNS)
    return f'SELECT * FROM (VALUES {rows}) AS described("column", "type", "description")'


def _expect_present(listing: Listing, error: Exception) -> None:
    """Files that are gone since the listing are a reason to list again; see `files.settled`."""
    if listing.has_vanished():
        raise FileNotFoundError(f"{listing.root}: reports were moved while they were read") from error


def _expect_reports(listing: Listing, views: Sequence[str]) -> None:
    """DuckDB would take in any file of Parquet, with null where it lacks a column."""
    everything = "history" in views or "runs" in views
    for path in listing.paths() if everything else {place.path for place in listing.newest().values()}:
        read_schema(path)


def _expect_one_statement(sql: str) -> None:
    """One statement that returns rows and does nothing else."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(_one_line(error)) from error
    if len(statements) != 1:
        raise QueryError(f"found {len(statements)} statements; {TAKEN}")
    kind = statements[0].type
    rows = kind == duckdb.StatementType.SELECT
    if not rows and not (kind == duckdb.StatementType.MULTI and _first_word(sql) in FIRST_WORDS):
        raise QueryError(f"found a statement of the kind {str(kind).rpartition('.')[2]}; {TAKEN}")


def _first_word(sql: str) -> str:
    """In lower case. A PIVOT counts as several statements, and so does a COPY of one: this tells them apart."""
    import duckdb

    tokens = [(at, str(kind)) for at, kind in duckdb.tokenize(sql)]
    starts = [at for at, kind in tokens if not kind.endswith("comment")]
    return sql.encode()[starts[0] :].split(maxsplit=1)[0].decode().lower() if starts else ""


def _one_line(error: Exception) -> str:
    """What DuckDB says, without its copy of the statement; the views' names where a table is not found."""
    said = " ".join(str(error).partition("\n\nLINE ")[0].split())
    if said.startswith("Catalog Error: Table with name"):
        name = said.removeprefix("Catalog Error: Table with name").split(" does not exist")[0].strip()
        return f"no table {name}; there are {', '.join(VIEWS)}"
    return said if len(said) <= LONGEST_MESSAGE else f"{said[:LONGEST_MESSAGE]} …"


def _list(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _name(column: str) -> str:
    return f'"{column}"'
