"""Commit: name the version of the code that computed a report. Benchmarks use it too, so it imports little."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeline.storage.paths import PROJECT

THIS_FILE = "pipeline/reports/commit.py"
OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"}


def git_commit() -> str | None:
    """Return the commit of ganforge's own checkout, with "+" if files differ from it; None without a checkout.

    An installed package may lie inside a foreign repository, and the commit of that one is not returned.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != PROJECT:
            return None
        _git("ls-files", "--error-unmatch", THIS_FILE)  # fails if the repository does not track this code
        return _git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    """Return the output of git in this package's folder, without the variables that hooks set."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_HOOKS}
    command = ["git", "-C", str(PROJECT), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
