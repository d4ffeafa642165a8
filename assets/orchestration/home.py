"""Home: the Dagster instance that UI, daemon, command line and schedules share, without anything set by hand.

`DAGSTER_HOME` is `data/dagster` unless the environment says otherwise, made from the template `dagster.yaml` on first
use.
"""

import os
import shutil
from pathlib import Path

from pipeline.storage.paths import PROJECT, Paths

TEMPLATE = PROJECT / "dagster.yaml"


def ensure_dagster_home() -> Path:
    """The instance's folder, made where it is missing, and set in this process's environment."""
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(TEMPLATE, home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home
