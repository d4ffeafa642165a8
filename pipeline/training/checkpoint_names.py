"""Checkpoint names: the folder of one run's checkpoints, and in it one folder per kept step.

In: the fingerprint of a run's settings, and the members that it trains. Out: names, and the steps in a folder. A run of
older versions has a name without members. Imports no torch, because the status and the clean-up read these names.
"""

from __future__ import annotations

import re
from pathlib import Path

STEP_NAME = re.compile(r"step_(\d{8})")
RUN_NAME = re.compile(r"([0-9a-f]{16})(?:-members-(\d+)-(\d+))?")


def settings_name(fingerprint: str) -> str:
    """Return the name of a run's settings: as much of their fingerprint as keeps runs apart and paths short."""
    return fingerprint[:16]


def run_name(fingerprint: str, members: range) -> str:
    """Return the name of a run's folder, such as `0123456789abcdef-members-0-2`."""
    return f"{settings_name(fingerprint)}-members-{members.start}-{members.stop - 1}"


def settings_of_run(run: Path) -> str:
    """Return the name of the settings in the name of a run's folder."""
    return run.name[:16]


def lock_of_run(run: Path) -> Path:
    """Return the lock of a run's settings, which all runs of these settings share."""
    return run.with_name(f"{settings_of_run(run)}.lock")


def members_of_run(run: Path) -> range | None:
    """Return the numbers of the members that a run trains; None for a run of an older version."""
    match = RUN_NAME.fullmatch(run.name)
    return range(int(match[2]), int(match[3]) + 1) if match and match[3] else None


def runs_of(checkpoints: Path, settings: str) -> list[Path]:
    """Return the runs of settings, by their name, in a partition's folder of checkpoints."""
    return sorted(run for run in checkpoints.glob(f"{settings}*") if run.is_dir() and RUN_NAME.fullmatch(run.name))


def step_name(step: int) -> str:
    """Return the name of a step's folder, such as `step_00000500`."""
    return f"step_{step:08d}"


def steps_in(run: Path) -> list[int]:
    """Return the steps that have a checkpoint in a run's folder, the newest last."""
    matches = [STEP_NAME.fullmatch(path.name) for path in run.glob("step_*")]
    return sorted(int(match[1]) for match in matches if match)
