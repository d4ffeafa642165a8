"""Home: the Dagster instance that UI, daemon, command line and schedules share, without anything set by hand.

`DAGSTER_HOME` is `data/dagster` unless the environment says otherwise, made from the template `dagster.yaml` on first
use. A copy of `workspace.yaml` lies beside it: Dagster's own commands find the code location in it.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

import dagster as dg

from assets.orchestration.any_folder_storage import name_storage
from assets.orchestration.launcher import OwnProcessLauncher
from pipeline.storage.paths import Paths

TEMPLATE = Path(__file__).with_name("dagster.yaml")
WORKSPACE = Path(__file__).with_name("workspace.yaml")


def ensure_dagster_home() -> Path:
    """The instance's folder, made where it is missing, and set in this process's environment.

    Its databases are made here too: a webserver and a daemon that first meet on an empty folder both create them, and
    leave them unusable (measured: "Version table 'alembic_version' has more than one head"). The lock keeps two
    commands that start at once from the same. A `dagster.yaml` without this project's launcher is warned of, on stderr.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    with _open_lock(home) as lock:
        os.environ["DAGSTER_HOME"] = str(home)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(TEMPLATE, home / "dagster.yaml")
        _copy_workspace(home)
        name_storage(home)
        with dg.DagsterInstance.get() as instance:
            instance.get_runs_count()
            instance.all_instigator_state()
            _warn_of_another_launcher(instance, home)
    return home


def _open_lock(home: Path) -> TextIO:
    """Make the folder where it is missing, and open its lock."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        return (home / ".lock").open("w")
    except OSError as error:
        variable = "DAGSTER_HOME" if os.environ.get("DAGSTER_HOME") else "GANFORGE_DATA"
        raise OSError(
            f"cannot write to the folder {home} ({error.strerror}): start ganforge in a folder that you may write to, "
            f"or name one with {variable}"
        ) from None


def _copy_workspace(home: Path) -> None:
    """Copy the workspace where the copy is missing or older; a running webserver reads it again at any time."""
    copy, text = home / WORKSPACE.name, WORKSPACE.read_bytes()
    if not copy.is_file() or copy.read_bytes() != text:
        copy.write_bytes(text)


def _warn_of_another_launcher(instance: dg.DagsterInstance, home: Path) -> None:
    """An upgrade does not change an instance's settings: one made before the launcher was goes without it."""
    if not isinstance(instance.run_launcher, OwnProcessLauncher):
        print(
            f"warning: {home / 'dagster.yaml'} does not name this project's launcher, so runs that the UI queues and "
            f"whose process dies stay in progress and hold their pool: copy `run_launcher:`, `run_monitoring:` and "
            f"`run_retries:` with the lines under them from {TEMPLATE}",
            file=sys.stderr,
        )
