"""Clean: print and carry out the removals of leftovers and of files that were kept long enough.

`ganforge clean` is in `assets/commands.py`, because its periods are settings of Dagster's side. It also cleans
Dagster's databases, in `assets/instance/event_log_retention.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from pipeline.clean.files import Tables, find_removals
from pipeline.clean.removal import Removal
from pipeline.cli.table import aligned
from pipeline.settings import load_optimizers, load_recipes
from pipeline.storage.paths import Paths

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def clean(checkpoint_days: float, more: Sequence[Removal] = (), *, dry_run: bool = False, orphans: bool = False) -> int:
    """Print the removals, the data folder's and `more`, and unless it is a dry run carry them out.

    `orphans` includes networks and samples of recipes and configurations that no table names. Return exit code 0, or 1
    if something could not be removed.
    """
    tables = Tables(load_recipes(), load_optimizers())
    paths = Paths.default()
    removals = find_removals(paths, tables, checkpoint_days=checkpoint_days, now=time.time(), with_orphans=orphans)
    removals = [*removals, *more]
    if not removals:
        print(f"{paths.root}: nothing to remove")
        return 0
    print("\n".join(aligned([_row(removal) for removal in removals])))
    total = size_text(sum(removal.size_bytes for removal in removals))
    if dry_run:
        print(f"{total} would be freed; nothing was touched")
        return 0
    return _remove(removals)


def _row(removal: Removal) -> tuple[str, str, str, str]:
    return removal.name, size_text(removal.size_bytes), age_text(removal.age_seconds), removal.reason


def _remove(removals: Sequence[Removal]) -> int:
    freed, failed = 0, False
    for removal in removals:
        try:
            if removal.remove():
                freed += removal.size_bytes
            else:
                print(f"{removal.name}: in use by now, so it stays")
        except OSError as error:
            print(f"ganforge: {removal.name} cannot be removed: {error}", file=sys.stderr)
            failed = True
    print(f"{size_text(freed)} freed")
    return int(failed)


def size_text(count: float) -> str:
    """Return a size in the largest fitting unit, such as `1.2 MB`."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 else f"{count:.1f} {UNITS[unit]}"


def age_text(seconds: float) -> str:
    """Return a period in the largest fitting unit, such as `3 hours`."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
