"""`ganforge status`: every asset partition as fresh, stale (why), missing or failed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import Parameter

from pipeline.cli.table import aligned

if TYPE_CHECKING:
    from pipeline.status.state import State, Status
    from pipeline.status.survey import Survey

BY_SIZE = "files were compared by size; --verify compares their contents"
COLOURS: Final[Mapping[str, str]] = {"fresh": "32", "stale": "33", "missing": "33", "failed": "31", "orphan": "35"}


@Parameter(name="*")
@dataclass(frozen=True)
class StatusOptions:
    """The extent of a survey and the form of its output."""

    all: Annotated[bool, Parameter(help="include recipes and configurations that were not begun")] = False
    verify: Annotated[bool, Parameter(help="read every file and compare its sha256, not only sizes")] = False
    json: Annotated[bool, Parameter(help="print a list of JSON objects instead of tables")] = False
    exit_code: Annotated[bool, Parameter(help="exit with 1 if anything listed is not fresh")] = False


STATUS_DEFAULTS = StatusOptions()
AnyRecipe: TypeAlias = Annotated[str, Parameter(help="recipes; default: every recipe with artefacts")]


def status(*recipe: AnyRecipe, options: StatusOptions = STATUS_DEFAULTS) -> int:
    """Show which parts are fresh, stale (and why), missing or failed.

    Compares everything in the data folder with the tables, the code and the artefacts it was made from. Makes nothing.

    example: ganforge status mnist_mlp --verify
    """
    return print_status(recipe, options)


def print_status(recipes: Sequence[str], options: StatusOptions, add: Callable[[Survey], Survey] | None = None) -> int:
    """Survey the data folder and print the result, with the facts that `add` adds; return the exit code."""
    from pipeline.status.survey import survey
    from pipeline.storage.paths import Paths

    result = survey(Paths.default(), recipes, not_begun=options.all, verify=options.verify)
    result = result if add is None else add(result)
    statuses = result.statuses()
    if options.json:
        print(json.dumps([status.to_json() for status in statuses], indent=2, allow_nan=False))
    else:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print("\n\n".join("\n".join(lines) for lines in render(result, coloured=coloured)))
        if statuses and not options.verify:
            print(BY_SIZE)
    return int(options.exit_code and not result.is_done())


def render(survey: Survey, *, coloured: bool) -> list[list[str]]:
    """Return paragraphs: a table per data set and per recipe, orphans, names not begun, and the count of each state."""
    parts = [[key, *_table(statuses, coloured=coloured)] for key, statuses in survey.datasets.items()]
    for recipe in survey.recipes:
        if recipe.in_use:
            not_begun = [f"  not begun: {', '.join(recipe.not_begun)}"] if recipe.not_begun else []
            parts.append([recipe.recipe, *_table(recipe.statuses, coloured=coloured), *not_begun])
    if survey.orphans:
        hint = "  ganforge clean --orphans removes them, unless a table of yours is not named at the moment"
        parts.append(["orphans", *_table(survey.orphans, coloured=coloured, short=False), hint])
    unused = [recipe.recipe for recipe in survey.recipes if not recipe.in_use]
    return [*parts, *([[f"not begun: {', '.join(unused)}"]] if unused else []), [_counts(survey.statuses())]]


def _table(statuses: Sequence[Status], *, coloured: bool, short: bool = True) -> list[str]:
    """Return one line per status: asset (`short`: without its first part), partition, state, reasons and notes."""
    rows = [
        (status.asset.partition("/")[2] if short else status.asset, status.partition or "", status.state, _why(status))
        for status in statuses
    ]
    lines = aligned([(f"  {asset}", partition, state, why) for asset, partition, state, why in rows])
    if not coloured:
        return lines
    # The same columns with a mark for the state show where it starts; colour codes would count as letters.
    marked = aligned([(f"  {asset}", partition, "|") for asset, partition, _, _ in rows])
    return [
        line[: len(start) - 1] + _in_colour(state) + line[len(start) - 1 + len(state) :]
        for line, start, (_, _, state, _) in zip(lines, marked, rows, strict=True)
    ]


def _in_colour(state: State) -> str:
    return f"\x1b[{COLOURS[state]}m{state}\x1b[0m"


def _why(status: Status) -> str:
    return " | ".join(filter(None, ("; ".join(status.reasons), ", ".join(status.notes))))


def _counts(statuses: Sequence[Status]) -> str:
    from pipeline.storage.paths import data_root

    counts = {state: sum(status.state == state for status in statuses) for state in COLOURS}
    text = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    return text or f"nothing was made yet in {data_root()}"
