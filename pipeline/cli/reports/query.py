"""Query: the rows that a SQL statement selects from the store's views."""

from __future__ import annotations

import sys
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_reports
from pipeline.cli.table import aligned
from pipeline.reports import store
from pipeline.storage.paths import Paths
from pipeline.storage.plain_json import plain_json

LONGEST_CELL = 60  # letters on a terminal; in a pipe, with --json and --csv nothing is cut


def answer(sql: str) -> Answer:
    """Return the statement's rows."""
    root = Paths.default().reports()
    newest_reports(root)  # raises for an empty store, where no rows would look like an answer
    table = store.query(sql, root)
    names = _distinct(table.column_names)
    rows = table.rename_columns(names).to_pylist()
    cells = [[_cell(row[name]) for name in names] for row in rows]
    cut = sys.stdout.isatty() and any(len(cell) > LONGEST_CELL for row in cells for cell in row)
    lines = [[_shortened(cell) for cell in row] for row in cells] if cut else cells
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    count = f"({count}; --json and --csv show whole values)" if cut else f"({count})"
    return Answer("\n".join([*aligned([names, *lines]), count]), rows, columns=names)


def _distinct(names: list[str]) -> list[str]:
    """Number repeated column names: `select count(*), count(*)` has two columns of one name."""
    result: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in range(2, len(names) + 2))
        result.append(name if name not in result else next(new for new in numbered if new not in [*names, *result]))
    return result


def _cell(value: Any) -> str:
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(plain_json(value))
    return text.replace("\n", " ")


def _shortened(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CELL else f"{cell[: LONGEST_CELL - 1]}…"
