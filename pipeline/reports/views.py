"""Views: query the store with SQL. DuckDB reads the files in place, copies no rows and cannot write to the store.

- `reports`: rows of the newest report of every partition
- `history`: rows of every report ever stored
- `runs`: one row per report with the columns of one value per report, and `newest`, true for a partition's newest
- `schema`: type and description of each column

DuckDB is imported with the first connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.reports.files import Listing, list_reports, retry_if_moved
from pipeline.reports.reading import Location, is_former, read_schema
from pipeline.reports.schema import COLUMNS, IN_PATH, RUN_COLUMNS, SCHEMA, sql_type

if TYPE_CHECKING:
    import duckdb

VIEWS = ("reports", "history", "runs", "schema")
SETTINGS = {  # the metadata cache saves opening every file again with every use of a view
    "TimeZone": "'UTC'",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "parquet_metadata_cache": "true",
}
FIRST_WORDS = {"select", "with", "from", "pivot", "pivot_wider", "unpivot", "pivot_longer", "table", "values"}
ACCEPTED = "expected one statement that returns rows: SELECT, WITH, FROM, DESCRIBE, SUMMARIZE or PIVOT"
LONGEST_MESSAGE = 400


class QueryError(ValueError):
    """An SQL statement that is refused or has a mistake; the message is one line."""


def open_views(root: Path) -> duckdb.DuckDBPyConnection:
    """Return a new connection with the four views on the store at `root`; `ValueError` for a file that is no report."""
    return retry_if_moved(lambda: _open(list_reports(root), VIEWS))


def run(root: Path, sql: str) -> pa.Table:
    """Return the rows of one statement. Repeat it with new views if a compaction removes files while it runs."""
    _expect_one_statement(sql)
    return retry_if_moved(lambda: _run(list_reports(root), sql))


def _run(listing: Listing, sql: str) -> pa.Table:
    import duckdb

    connection = _open(listing, _named(sql))
    try:
        connection.execute("SET python_enable_replacements = false")  # a name could otherwise read a Python variable
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        _expect_present(listing, error)
        raise QueryError(_one_line(error)) from error
    finally:
        connection.close()


def _named(sql: str) -> Sequence[str]:
    """Return the views that a statement names, or all: creating a view opens all its files."""
    occurring = [view for view in VIEWS if view in sql.lower()]
    return occurring or VIEWS


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
    complete = [file.path for file in listing.merged if len(listing.merged_reports[file.path]) == len(file.locations)]
    parts = _rows_sql([*(location.path for location in listing.single_locations()), *complete])
    for path, locations in listing.merged_reports.items():
        parts += _rows_sql([path], locations) if path not in complete else []
    return _union(parts)


def _newest_sql(locations: Iterable[Location]) -> str:
    single: list[Path] = []
    merged: dict[Path, list[Location]] = {}
    for location in locations:
        if location.group is None:
            single.append(location.path)
        else:
            merged.setdefault(location.path, []).append(location)
    parts = _rows_sql(single)
    for path, reports in merged.items():
        parts += _rows_sql([path], reports)
    return _union(parts)


def _union(parts: Sequence[str]) -> str:
    """Return one statement for all parts, with the columns of `SCHEMA` in order; missing ones are null."""
    empty = ", ".join(f"CAST(NULL AS {sql_type(field.type)}) AS {_name(field.name)}" for field in SCHEMA)
    selects = [f"SELECT {empty} WHERE false", *parts]
    return f"SELECT {', '.join(map(_name, SCHEMA.names))} FROM ({' UNION ALL BY NAME '.join(selects)})"


def _rows_sql(paths: Sequence[Path], only: Sequence[Location] = ()) -> list[str]:
    """Return statements for the rows of files, or of `only` some of the reports in them."""
    which = f" WHERE report_id IN ({_list(location.report_id for location in only)})" if only else ""
    former = [str(path) for path in paths if is_former(path)]
    present = [str(path) for path in paths if not is_former(path)]
    selects = [f"SELECT * FROM read_parquet([{_list(former)}], {_OPTIONS}){which}"] if former else []
    return [*selects, f"{_partition_sql(present)}{which}"] if present else selects


def _partition_sql(paths: Sequence[str]) -> str:
    """Return a statement for the rows of files with recipe and optimizer in the names of their folders."""
    in_path = ", ".join(
        f"parse_path(filename)[{position}][{len(name) + 2}:] AS {_name(name)}"
        for position, name in zip((-3, -2), IN_PATH, strict=True)
    )
    in_file = f"COLUMNS(lambda name: name NOT IN ({_list(['filename', *IN_PATH])}))"
    return f"SELECT {in_file}, {in_path} FROM read_parquet([{_list(paths)}], filename = true, {_OPTIONS})"


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
    """Raise `FileNotFoundError` if files were removed since the listing: `files.retry_if_moved` then lists again."""
    if listing.has_vanished():
        raise FileNotFoundError(f"{listing.root}: reports were moved while they were read") from error


def _expect_reports(listing: Listing, views: Sequence[str]) -> None:
    """Raise `ValueError` for a file that is no report: DuckDB would read any Parquet file, missing columns as null."""
    everything = "history" in views or "runs" in views
    for path in listing.paths() if everything else {location.path for location in listing.newest().values()}:
        read_schema(path)


def _expect_one_statement(sql: str) -> None:
    """Raise `QueryError` unless the text is one statement that returns rows and does nothing else."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryError(_one_line(error)) from error
    if len(statements) != 1:
        raise QueryError(f"found {len(statements)} statements; {ACCEPTED}")
    kind = statements[0].type
    rows = kind == duckdb.StatementType.SELECT
    if not rows and not (kind == duckdb.StatementType.MULTI and _first_word(sql) in FIRST_WORDS):
        raise QueryError(f"found a statement of the kind {str(kind).rpartition('.')[2]}; {ACCEPTED}")


def _first_word(sql: str) -> str:
    """Return the first word in lower case. DuckDB counts a PIVOT as several statements, and a COPY of a PIVOT too."""
    import duckdb

    tokens = [(start, str(kind)) for start, kind in duckdb.tokenize(sql)]
    starts = [start for start, kind in tokens if not kind.endswith("comment")]
    return sql.encode()[starts[0] :].split(maxsplit=1)[0].decode().lower() if starts else ""


def _one_line(error: Exception) -> str:
    """Return DuckDB's message without its copy of the statement; for an unknown table, the names of the views."""
    message = " ".join(str(error).partition("\n\nLINE ")[0].split())
    if message.startswith("Catalog Error: Table with name"):
        name = message.removeprefix("Catalog Error: Table with name").split(" does not exist")[0].strip()
        return f"no table {name}; there are {', '.join(VIEWS)}"
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"


def _list(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _name(column: str) -> str:
    return f'"{column}"'
