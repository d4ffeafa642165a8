"""`ganforge status`: every asset partition as fresh, stale (why), missing or failed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pipeline.cli.table import aligned
from pipeline.storage.paths import Paths, data_root

if TYPE_CHECKING:
    from pipeline.status.state import State, Status
    from pipeline.status.survey import Survey

BY_SIZE = "files were compared by size; --verify compares their contents"
COLOURS: Final[Mapping[str, str]] = {"fresh": "32", "stale": "33", "missing": "33", "failed": "31", "orphan": "35"}


def add_parser(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the command to an argument parser's subcommands; `run` calls `status`."""
    parser = commands.add_parser(
        "status",
        help="say what is fresh, stale (and why), missing or failed",
        description="Compare everything in the data folder with the tables, the code and what it was made from. "
        "Nothing is made.",
        epilog="example: ganforge status mnist_mlp --verify",
    )
    parser.add_argument("recipe", nargs="*", help="recipes; default: those of which anything was made")
    parser.add_argument("--all", action="store_true", help="also recipes and configurations that were not begun")
    parser.add_argument("--verify", action="store_true", help="read every file and compare its sha256, not only sizes")
    parser.add_argument("--json", action="store_true", help="a list of JSON objects instead of tables")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 where anything listed is not fresh")
    parser.add_argument(
        "--dagster",
        action=argparse.BooleanOptionalAction,
        help="also what Dagster's event log says: attempts in progress or failed, and where it differs; takes seconds "
        "(default: where its daemon is running)",
    )
    parser.set_defaults(run=run)


def status(arguments: argparse.Namespace, told: Callable[[Survey], Survey] | None = None) -> int:
    """Look, and print what was found, with what is `told` of it besides."""
    from pipeline.status.survey import survey

    found = survey(Paths.default(), arguments.recipe, not_begun=arguments.all, verify=arguments.verify)
    found = found if told is None else told(found)
    if arguments.json:
        print(json.dumps([each.to_json() for each in found.statuses()], indent=2, allow_nan=False))
    else:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print("\n\n".join("\n".join(lines) for lines in render(found, coloured=coloured)))
        if found.statuses() and not arguments.verify:
            print(BY_SIZE)
    return int(arguments.exit_code and not found.is_done())


def render(found: Survey, *, coloured: bool) -> list[list[str]]:
    """Paragraphs: a table a data set, a table a recipe, orphans, what was not begun, and how many there are of each."""
    parts = [[key, *_table(statuses, coloured=coloured)] for key, statuses in found.datasets.items()]
    for each in found.recipes:
        if each.in_use:
            not_begun = [f"  not begun: {', '.join(each.not_begun)}"] if each.not_begun else []
            parts.append([each.recipe, *_table(each.statuses, coloured=coloured), *not_begun])
    if found.orphans:
        hint = "  ganforge clean --orphans removes them, unless a table of yours is not named at the moment"
        parts.append(["orphans", *_table(found.orphans, coloured=coloured, short=False), hint])
    unused = [each.recipe for each in found.recipes if not each.in_use]
    return [*parts, *([[f"not begun: {', '.join(unused)}"]] if unused else []), [_counts(found.statuses())]]


def _table(statuses: Sequence[Status], *, coloured: bool, short: bool = True) -> list[str]:
    """A line each: asset, partition, state, why and what was chosen; the asset without its first part where `short`."""
    rows = [
        (status.asset.partition("/")[2] if short else status.asset, status.partition or "", status.state, _why(status))
        for status in statuses
    ]
    lines = aligned([(f"  {asset}", partition, state, why) for asset, partition, state, why in rows])
    if not coloured:
        return lines
    start = aligned([(f"  {asset}", partition, "|") for asset, partition, _, _ in rows])
    return [
        line[: len(before) - 1] + _in_colour(state) + line[len(before) - 1 + len(state) :]
        for line, before, (_, _, state, _) in zip(lines, start, rows, strict=True)
    ]


def _in_colour(state: State) -> str:
    return f"\x1b[{COLOURS[state]}m{state}\x1b[0m"


def _why(status: Status) -> str:
    return " | ".join(filter(None, ("; ".join(status.reasons), ", ".join(status.notes))))


def _counts(statuses: Sequence[Status]) -> str:
    counts = {state: sum(status.state == state for status in statuses) for state in COLOURS}
    found = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    return found or f"nothing was made yet in {data_root()}"
