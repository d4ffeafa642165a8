"""Files: find files and folders of the data folder that can be removed.

In: paths, tables, limits. Out: `Removal`s, by kind.

- Unfinished: `.….partial` that no process has written to for an hour, and their locks without a folder.
- Downloads: `.….download`, from which a repeated download continues, after as many days as checkpoints.
- Checkpoints: of finished or superseded trainings, after so many days. Those of a partition's newest training stay,
  however old they are, unless it was published: it may be resumed.
- Locks: of checkpoints that were removed.
- Orphans: networks and samples of recipes and configurations that no table has, only on request.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.clean.removal import Removal, latest_change, make_remover, size_of
from pipeline.status.orphans import find_orphans
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.atomic import UNFINISHED
from pipeline.storage.details import DetailsError
from pipeline.storage.lock import hold_existing
from pipeline.storage.paths import Paths
from pipeline.training.checkpoint_names import (
    RUN_NAME,
    lock_of_run,
    members_of_run,
    runs_of,
    settings_name,
    settings_of_run,
    steps_in,
)
from pipeline.training.details import TrainingDetails
from pipeline.training.identity import checkpoint_identity_of, former_checkpoint_identity_of

STAGES = ("raw", "tensors", "metrics", "training", "samples", "comparison")  # not reports, champion and dagster
UNFINISHED_LOCK, DOWNLOAD = f"{UNFINISHED}.lock", ".download"
ABANDONED_SECONDS = 3600.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Tables:
    """The keys of the recipes and configurations in the tables."""

    recipes: Collection[str]
    optimizers: Collection[str]


@dataclass(frozen=True)
class _Candidate:
    path: Path
    reason: str
    least_age_seconds: float
    locks: tuple[Path, ...]  # files or folders; a process that uses the path holds one of them


def find_removals(
    paths: Paths, tables: Tables, *, checkpoint_days: float, now: float, with_orphans: bool = False
) -> list[Removal]:
    """Return all removals from the data folder at the Unix time `now`; none lies inside another.

    Files and folders that a process has locked are left out.
    """
    candidates = [*_unfinished(paths, checkpoint_days), *_checkpoints(paths, checkpoint_days), *_locks(paths)]
    candidates += _orphans(paths, tables) if with_orphans else []
    return [
        _removal(candidate, paths, age)
        for candidate in candidates
        if not _lies_in_another(candidate, candidates)
        # The age of a path that another process has removed is infinite.
        and candidate.least_age_seconds <= (age := now - latest_change(candidate.path)) < math.inf
        and _is_free(candidate)
    ]


def _removal(candidate: _Candidate, paths: Paths, age_seconds: float) -> Removal:
    path = candidate.path
    remove = make_remover(path, candidate.locks)
    return Removal(str(path.relative_to(paths.root)), candidate.reason, size_of(path), age_seconds, remove, path)


def _lies_in_another(candidate: _Candidate, candidates: Sequence[_Candidate]) -> bool:
    return any(other.path in candidate.path.parents for other in candidates)


def _is_free(candidate: _Candidate) -> bool:
    with hold_existing(candidate.locks) as is_free:
        return is_free


# ---------------------------------------------------------------------------------------------------------------------
# Unfinished


def _unfinished(paths: Paths, days: float) -> Iterator[_Candidate]:
    for stage in STAGES:
        for folder, folders, files in os.walk(paths.root / stage):
            names = [
                name
                for name in (*folders, *files)
                if name.startswith(".") and name.endswith((UNFINISHED, UNFINISHED_LOCK, DOWNLOAD))
            ]
            folders[:] = [name for name in folders if name not in names]
            yield from (_unfinished_candidate(Path(folder) / name, days) for name in names)


def _unfinished_candidate(path: Path, days: float) -> _Candidate:
    if path.suffix == DOWNLOAD:  # the lock is that of the finished file
        reason = f"unfinished download, older than {format_days(days)}"
        return _Candidate(path, reason, days * DAY_SECONDS, (path.with_suffix(".lock"),))
    lock = path if path.suffix == ".lock" else path.with_name(f"{path.name}.lock")  # held by the process that writes
    return _Candidate(path, "left by a process that ended before it was done", ABANDONED_SECONDS, (lock,))


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


def _checkpoints(paths: Paths, days: float) -> Iterator[_Candidate]:
    """Yield the checkpoints of finished or superseded trainings."""
    for folder in sorted((paths.root / "training").glob("*/*/checkpoints")):
        runs = [run for run in folder.iterdir() if run.is_dir() and RUN_NAME.fullmatch(run.name)]
        artefact = read_artefact(folder.parent)
        resumable = _resumable_run(runs, artefact)
        owner = "a finished training" if artefact else "older settings"
        reason = f"checkpoints of {owner}, older than {format_days(days)}"
        for run in sorted(runs):
            if run != resumable:
                yield _Candidate(run, reason, days * DAY_SECONDS, (lock_of_run(run),))


def format_days(days: float) -> str:
    """Return a number of days in words, such as `30 days`."""
    return f"{days:g} day{'' if days == 1 else 's'}"


def _resumable_run(runs: Sequence[Path], artefact: Artefact | None) -> Path | None:
    """Return the newest run of a partition, or None if its training is published."""
    if not runs:
        return None
    newest = max(runs, key=latest_change)
    return None if artefact is not None and _is_published(newest, artefact) else newest


def _is_published(run: Path, artefact: Artefact) -> bool:
    """Return whether the artefact is the result of the run, or newer than the run's last write.

    A run with checkpoints of later steps, or with further members, has continued since.
    """
    try:
        details = artefact.details_as(TrainingDetails)
        trained_steps, trained_members = details.steps, details.members
    except DetailsError:  # made by an older version: only the times can be compared
        trained_steps, trained_members = 0, 0
    members = members_of_run(run)
    has_further = members is not None and members.stop > trained_members
    is_within = max(steps_in(run), default=0) <= trained_steps and not has_further
    if settings_of_run(run) in _settings_of(artefact) and is_within:
        return True
    return latest_change(run) < datetime.fromisoformat(artefact.created_at).timestamp()


def _settings_of(artefact: Artefact) -> list[str]:
    """Return the names of the settings of runs that end in an artefact; none for an artefact of an older version.

    The second is the name that older versions gave.
    """
    if artefact.identity is None:
        return []
    identities = (checkpoint_identity_of(artefact.identity), former_checkpoint_identity_of(artefact.identity))
    return [settings_name(identity.fingerprint) for identity in identities]


def _locks(paths: Paths) -> Iterator[_Candidate]:
    """Yield the lock files of checkpoints that were removed; other lock files are empty and stay."""
    for lock in sorted((paths.root / "training").glob("*/*/checkpoints/*.lock")):
        if RUN_NAME.fullmatch(lock.stem) and not runs_of(lock.parent, lock.stem):
            yield _Candidate(lock, "lock of checkpoints that are gone", ABANDONED_SECONDS, (lock,))


# ---------------------------------------------------------------------------------------------------------------------
# Orphans


def _orphans(paths: Paths, tables: Tables) -> Iterator[_Candidate]:
    for orphan in find_orphans(tables.recipes, tables.optimizers, paths):
        yield _Candidate(orphan.folder, orphan.reason, 0.0, tuple(orphan.folder.glob("checkpoints/*.lock")))
