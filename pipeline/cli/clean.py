"""`ganforge clean`: remove what was left over and what was kept long enough."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.clean.files import Tables, find_removals
from pipeline.clean.removal import Removal
from pipeline.cli.table import aligned
from pipeline.settings import load_optimizers, load_recipes
from pipeline.storage.paths import Paths

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def add_parser(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the command to an argument parser's subcommands; `run` calls `clean`."""
    parser = commands.add_parser(
        "clean",
        help="remove what killed processes left, old checkpoints and old runs' logs",
        description="Remove what can be made again or is left over; [retention] in the operations settings says how "
        "long it is kept. Champions and reports stay.",
        epilog="example: ganforge clean --dry-run",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would go, and touch nothing")
    parser.add_argument(
        "--orphans",
        action="store_true",
        help="also networks and samples of recipes and configurations that are in no table; name your own tables "
        "(GANFORGE_RECIPES, GANFORGE_OPTIMIZERS) first",
    )
    parser.set_defaults(run=run)


def clean(arguments: argparse.Namespace, checkpoint_days: float, more: Sequence[Removal] = ()) -> int:
    """Print what can go, the data folder's and `more`, and unless it is a dry run remove it. Exit code 0.

    1 where something could not be removed.
    """
    tables = Tables(load_recipes(), load_optimizers())
    found = find_removals(
        Paths.default(), tables, checkpoint_days=checkpoint_days, now=time.time(), with_orphans=arguments.orphans
    )
    everything = [*found, *more]
    if not everything:
        print(f"{Paths.default().root}: nothing to remove")
        return 0
    print("\n".join(aligned([_row(each) for each in everything])))
    total = shown_size(sum(each.size_bytes for each in everything))
    if arguments.dry_run:
        print(f"{total} would be freed; nothing was touched")
        return 0
    return _remove(everything)


def _row(removal: Removal) -> tuple[str, str, str, str]:
    return removal.what, shown_size(removal.size_bytes), shown_age(removal.age_seconds), removal.why


def _remove(removals: Sequence[Removal]) -> int:
    freed, failed = 0, False
    for removal in removals:
        try:
            if removal.remove():
                freed += removal.size_bytes
            else:
                print(f"{removal.what}: in use by now, so it stays")
        except OSError as error:
            print(f"ganforge: {removal.what} cannot be removed: {error}", file=sys.stderr)
            failed = True
    print(f"{shown_size(freed)} freed")
    return int(failed)


def shown_size(count: float) -> str:
    """Such as `1.2 MB`."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 else f"{count:.1f} {UNITS[unit]}"


def shown_age(seconds: float) -> str:
    """Such as `3 hours`."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
