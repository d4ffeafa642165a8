"""Home: the Dagster instance that UI, daemon, command line and schedules share, without anything set by hand.

`DAGSTER_HOME` is `data/dagster` unless the environment says otherwise, made from the template `dagster.yaml` on first
use.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path

import dagster as dg

from assets.orchestration.launcher import OwnProcessLauncher
from pipeline.storage.paths import PROJECT, Paths

TEMPLATE = PROJECT / "dagster.yaml"


def ensure_dagster_home() -> Path:
    """The instance's folder, made where it is missing, and set in this process's environment.

    Its databases are made here too: a webserver and a daemon that first meet on an empty folder both create them, and
    leave them unusable (measured: "Version table 'alembic_version' has more than one head"). The lock keeps two
    commands that start at once from the same. A `dagster.yaml` without this project's launcher is warned of, on stderr.
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
            _warn_of_another_launcher(instance, home)
    return home


def _warn_of_another_launcher(instance: dg.DagsterInstance, home: Path) -> None:
    """An upgrade does not change an instance's settings: one made before the launcher was goes without it."""
    if not isinstance(instance.run_launcher, OwnProcessLauncher):
        print(
            f"warning: {home / 'dagster.yaml'} does not name this project's launcher, so runs that the UI queues and "
            f"whose process dies stay in progress and hold their pool: copy `run_launcher:`, `run_monitoring:` and "
            f"`run_retries:` with the lines under them from {TEMPLATE}",
            file=sys.stderr,
        )
