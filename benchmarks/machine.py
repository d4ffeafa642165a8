"""Machine: a description of the machine, time, versions and commit of a measurement."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.reports.commit import git_commit
from pipeline.tensors.decode import available_cores


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return cores, load before, Python, the versions of those packages that are installed, commit and time (UTC)."""
    versions = {name: version for name in packages if (version := installed_version(name)) is not None}
    return {
        "cores": available_cores(),
        "load_before_last_minute": os.getloadavg()[1],
        "machine": platform.machine(),
        "python": platform.python_version(),
        **versions,
        "git_commit": git_commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
