"""Query: the rows that a SQL statement selects from the store's views."""

from __future__ import annotations

import argparse
from typing import Any

from pipeline.cli.reports.answer import Answer, plain
from pipeline.cli.reports.chosen import newest_reports
from pipeline.cli.table import aligned
from pipeline.reports import store
from pipeline.storage.paths import Paths

LONGEST_CELL = 60  # letters; --json and --csv show all


def answer(arguments: argparse.Namespace) -> Answer:
    """The statement's rows."""
    root = Paths.default().reports()
    newest_reports(root)  # rows of nothing would look like an answer
    table = store.query(arguments.sql, root)
    names = _unlike(table.column_names)
    rows = table.rename_columns(names).to_pylist()
    cells = [[_cell(row[name]) for name in names] for row in rows]
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    return Answer("\n".join([*aligned([names, *cells]), f"({count})"]), rows)


def _unlike(names: list[str]) -> list[str]:
    """Column names, a repeated one with its number: `select count(*), count(*)` has two columns of one name."""
    return [name if names.index(name) == place else f"{name}_{place + 1}" for place, name in enumerate(names)]


def _cell(value: Any) -> str:
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(plain(value))
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
