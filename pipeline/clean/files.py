"""Files: what can go from the data folder.

In: paths, tables, limits. Out: `Removal`s, by kind.

- Unfinished: `.….partial` that were written into for the last time over an hour ago, and locks of theirs left alone.
- Downloads: `.….download`, which a repeated download goes on from, after as many days as checkpoints.
- Checkpoints: runs of a partition that are over, older than so many days. A run that may still go on, the newest one
  after which nothing was published, stays however old it is.
- Locks: of checkpoints that are gone.
- Orphans: networks and samples of recipes and configurations that no table has, only where asked for.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.clean.removal import Removal, changed_at, remove_alone, size_of
from pipeline.status.orphans import find_orphans
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.atomic import UNFINISHED
from pipeline.storage.identity import Identity
from pipeline.storage.lock import hold_existing
from pipeline.storage.paths import Paths

STAGES = ("raw", "tensors", "metrics", "training", "samples", "comparison")  # not reports, champion and dagster
UNFINISHED_LOCK, DOWNLOAD = f"{UNFINISHED}.lock", ".download"
ABANDONED_SECONDS = 3600.0
DAY_SECONDS = 86_400.0
IDENTITY = re.compile(r"[0-9a-f]{16}")
STEP = re.compile(r"step_(\d{8})")


@dataclass(frozen=True)
class Tables:
    """The keys that there are."""

    recipes: Collection[str]
    optimizers: Collection[str]


@dataclass(frozen=True)
class _Found:
    path: Path
    why: str
    least_age_seconds: float
    locks: tuple[Path, ...]  # files or folders that whoever uses it has locked


def find_removals(
    paths: Paths, tables: Tables, *, checkpoint_days: float, now: float, with_orphans: bool = False
) -> list[Removal]:
    """Everything in the data folder that can go at the time `now`, seconds since 1970; nothing twice.

    What a process holds is left out.
    """
    found = [*_unfinished(paths, checkpoint_days), *_checkpoints(paths, checkpoint_days), *_locks(paths)]
    found += _orphans(paths, tables) if with_orphans else []
    return [
        _removal(each, paths, age)
        for each in found
        if not _lies_in_another(each, found)
        and each.least_age_seconds <= (age := now - changed_at(each.path)) < math.inf  # inf: gone meanwhile
        and _is_free(each)
    ]


def _removal(found: _Found, paths: Paths, age_seconds: float) -> Removal:
    what, size = str(found.path.relative_to(paths.root)), size_of(found.path)
    return Removal(what, found.why, size, age_seconds, remove_alone(found.path, found.locks), found.path)


def _lies_in_another(found: _Found, others: Sequence[_Found]) -> bool:
    return any(other.path in found.path.parents for other in others)


def _is_free(found: _Found) -> bool:
    with hold_existing(found.locks) as free:
        return free


# ---------------------------------------------------------------------------------------------------------------------
# Unfinished


def _unfinished(paths: Paths, days: float) -> Iterator[_Found]:
    for stage in STAGES:
        for folder, folders, files in os.walk(paths.root / stage):
            names = [
                name
                for name in (*folders, *files)
                if name.startswith(".") and name.endswith((UNFINISHED, UNFINISHED_LOCK, DOWNLOAD))
            ]
            folders[:] = [name for name in folders if name not in names]
            yield from (_left(Path(folder) / name, days) for name in names)


def _left(path: Path, days: float) -> _Found:
    if path.suffix == DOWNLOAD:  # the lock of what it is for
        why = f"unfinished download, older than {in_days(days)}"
        return _Found(path, why, days * DAY_SECONDS, (path.with_suffix(".lock"),))
    lock = path if path.suffix == ".lock" else path.with_name(f"{path.name}.lock")  # held by whoever fills the folder
    return _Found(path, "left by a process that ended before it was done", ABANDONED_SECONDS, (lock,))


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


def _checkpoints(paths: Paths, days: float) -> Iterator[_Found]:
    """Of every partition the runs that are over."""
    for folder in sorted((paths.root / "training").glob("*/*/checkpoints")):
        runs = [each for each in folder.iterdir() if each.is_dir() and IDENTITY.fullmatch(each.name)]
        artefact = read_artefact(folder.parent)
        kept = _may_go_on(runs, artefact)
        whose = "a finished training" if artefact else "older settings"
        why = f"checkpoints of {whose}, older than {in_days(days)}"
        for run in sorted(runs):
            if run != kept:
                yield _Found(run, why, days * DAY_SECONDS, (folder / f"{run.name}.lock",))


def in_days(days: float) -> str:
    """Such as `30 days`."""
    return f"{days:g} day{'' if days == 1 else 's'}"


def _may_go_on(runs: Sequence[Path], artefact: Artefact | None) -> Path | None:
    """The newest run of a partition, unless what it trained for is published."""
    if not runs:
        return None
    newest = max(runs, key=changed_at)
    return None if artefact is not None and _is_published(newest, artefact) else newest


def _is_published(run: Path, artefact: Artefact) -> bool:
    """Whether a run led to the artefact and no further, or was over before it was made."""
    steps = [int(match[1]) for match in map(STEP.fullmatch, (path.name for path in run.iterdir())) if match]
    if run.name == _way_to(artefact) and max(steps, default=0) <= artefact.details["steps"]:
        return True
    return changed_at(run) < datetime.fromisoformat(artefact.created_at).timestamp()


def _way_to(artefact: Artefact) -> str | None:
    """The name of the run that an artefact ended; None for one of an older version."""
    if artefact.identity is None:
        return None
    decided_by = artefact.identity.decided_by
    settings = {name: value for name, value in decided_by["settings"].items() if name != "steps"}
    of_run = {"settings": settings, "tensors": decided_by["tensors"]}
    return Identity("checkpoint", artefact.identity.code_version, of_run).fingerprint[:16]


def _locks(paths: Paths) -> Iterator[_Found]:
    """Lock files of checkpoints that are gone; the others are empty files that cost nothing."""
    for lock in sorted((paths.root / "training").glob("*/*/checkpoints/*.lock")):
        if IDENTITY.fullmatch(lock.stem) and not lock.with_suffix("").exists():
            yield _Found(lock, "lock of checkpoints that are gone", ABANDONED_SECONDS, (lock,))


# ---------------------------------------------------------------------------------------------------------------------
# Orphans


def _orphans(paths: Paths, tables: Tables) -> Iterator[_Found]:
    for orphan in find_orphans(tables.recipes, tables.optimizers, paths):
        yield _Found(orphan.folder, orphan.why, 0.0, tuple(orphan.folder.glob("checkpoints/*.lock")))
