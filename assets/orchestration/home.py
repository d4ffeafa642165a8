"""Home: the Dagster instance that UI, daemon, command line and schedules share, without anything set by hand.

`DAGSTER_HOME` is `data/dagster` unless the environment says otherwise, made from the template `dagster.yaml` on first
use.
"""

import fcntl
import os
import shutil
from pathlib import Path

import dagster as dg

from pipeline.storage.paths import PROJECT, Paths

TEMPLATE = PROJECT / "dagster.yaml"


def ensure_dagster_home() -> Path:
    """The instance's folder, made where it is missing, and set in this process's environment.

    Its databases are made here too: a webserver and a daemon that first meet on an empty folder both create them, and
    leave them unusable (measured: "Version table 'alembic_version' has more than one head"). The lock keeps two
    commands that start at once from the same.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(TEMPLATE, home / "dagster.yaml")
        with dg.DagsterInstance.get() as instance:
            instance.get_runs_count()
            instance.all_instigator_state()
    return home
