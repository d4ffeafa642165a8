"""Commit: which code made a report. Imports no more than it needs: benchmarks name their commit too."""

from __future__ import annotations

import subprocess

from pipeline.storage.paths import PROJECT


def git_commit() -> str:
    """The commit of this code, with "+" where files differ from it, or "unknown" outside a checkout."""
    try:
        command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
