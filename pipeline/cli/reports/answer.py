"""Answer: what a command found, printed as lines for a reader (default), or as JSON or CSV for a program.

JSON and CSV carry all digits; what has no value is null in one and empty in the other.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One result in its three forms."""

    text: str
    rows: Sequence[Row]  # CSV, columns in the order they first appear
    whole: Any = None  # JSON; the rows where it is None
    columns: Sequence[str] = ()  # CSV's, where they are known without any row


def add_forms(parser: argparse.ArgumentParser, *, default: bool | str = False) -> None:
    """`--json` and `--csv`; a command below another one leaves alone what was said before it (`argparse.SUPPRESS`)."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", default=default, help="JSON with all digits")
    forms.add_argument("--csv", action="store_true", default=default, help="comma-separated values with all digits")


def show(answer: Answer, arguments: argparse.Namespace) -> None:
    """Print an answer in the form that was asked for."""
    if arguments.json:
        print(json.dumps(plain(answer.rows if answer.whole is None else answer.whole), indent=2, allow_nan=False))
    elif arguments.csv:
        _write_csv(answer)
    else:
        print(answer.text)


def plain(value: Any) -> Any:
    """As JSON has it: times in ISO 8601, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _write_csv(answer: Answer) -> None:
    rows = answer.rows
    names = list(dict.fromkeys([*answer.columns, *(name for row in rows for name in row)]))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    """A field: lists and objects as JSON."""
    value = plain(value)
    return json.dumps(value) if isinstance(value, list | dict) else value
