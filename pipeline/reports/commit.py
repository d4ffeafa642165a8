"""Commit: which code made a report. Imports no more than it needs: benchmarks name their commit too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pipeline.storage.paths import PROJECT

THIS_FILE = "pipeline/reports/commit.py"
OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"}


def git_commit() -> str | None:
    """Return the commit of ganforge's own checkout, with "+" where files differ from it; None where there is none.

    An installed package may lie inside a repository of somebody else, whose commit says nothing about this code.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != PROJECT:
            return None
        _git("ls-files", "--error-unmatch", THIS_FILE)  # fails where the repository does not track this code
        return _git("describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    """Return the output of git in this package's folder, also where a hook's variables name another repository."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_HOOKS}
    command = ["git", "-C", str(PROJECT), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
