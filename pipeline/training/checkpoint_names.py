"""Checkpoint names: the folder of one run's checkpoints, and in it one folder per kept step.

In: the fingerprint of a run's settings. Out: names, and the steps in a folder. Imports no torch, because the status and
the clean-up read these names.
"""

from __future__ import annotations

import re
from pathlib import Path

STEP_NAME = re.compile(r"step_(\d{8})")
RUN_NAME = re.compile(r"[0-9a-f]{16}")


def run_name(fingerprint: str) -> str:
    """Return the name of a run's folder: as much of the fingerprint as keeps runs apart and paths short."""
    return fingerprint[:16]


def step_name(step: int) -> str:
    """Return the name of a step's folder, such as `step_00000500`."""
    return f"step_{step:08d}"


def steps_in(run: Path) -> list[int]:
    """Return the steps that have a checkpoint in a run's folder, the newest last."""
    matches = [STEP_NAME.fullmatch(path.name) for path in run.glob("step_*")]
    return sorted(int(match[1]) for match in matches if match)
