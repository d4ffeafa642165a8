"""Answer: the result of a command, printed as lines for a reader (default), or as JSON or CSV for a program.

JSON and CSV carry all digits; a missing value is null in JSON and empty in CSV.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from pipeline.storage.plain_json import plain_json

AnswerRow = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One result in its three forms."""

    text: str
    rows: Sequence[AnswerRow]  # for CSV, columns in the order they first appear
    values: Any = None  # for JSON; None: the rows
    columns: Sequence[str] = ()  # for CSV, if they are known without any row


@Parameter(name="*")
@dataclass(frozen=True)
class Form:
    """The form of an answer; raises `ValueError` for both JSON and CSV."""

    json: Annotated[bool, Parameter(help="print JSON with all digits")] = False
    csv: Annotated[bool, Parameter(help="print comma-separated values with all digits")] = False

    def __post_init__(self) -> None:
        """Raise for two forms at once."""
        if self.json and self.csv:
            raise ValueError("found --json and --csv, expected one of them")

    @property
    def is_for_programs(self) -> bool:
        """True if the rows are printed, not the text."""
        return self.json or self.csv


TEXT = Form()


def show_answer(answer: Answer, form: Form) -> None:
    """Print an answer in one of its forms."""
    if form.json:
        print(
            json.dumps(plain_json(answer.rows if answer.values is None else answer.values), indent=2, allow_nan=False)
        )
    elif form.csv:
        _write_csv(answer)
    else:
        print(answer.text)


def _write_csv(answer: Answer) -> None:
    rows = answer.rows
    names = list(dict.fromkeys([*answer.columns, *(name for row in rows for name in row)]))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    """Return the value of a CSV field: lists and objects as JSON."""
    value = plain_json(value)
    return json.dumps(value) if isinstance(value, list | dict) else value
