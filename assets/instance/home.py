"""Home: the Dagster instance that UI, daemon, command line and schedules share, without anything set by hand.

The instance lies in `DAGSTER_HOME`, or in `data/dagster` if that is not set. Its `dagster.yaml` is copied from the
template on first use. `DAGSTER_HOME` may be another project's too, with a `workspace.yaml` and Python modules of its
own. So `workspace.yaml` and the logs of webserver and daemon always lie in `data/dagster`, where both also start.
"""

import os
import shutil
import sys
from pathlib import Path

import dagster as dg

from assets.instance.any_folder_storage import name_storage
from assets.instance.former_modules import replace_former_modules
from assets.instance.launcher import OwnProcessLauncher
from pipeline.storage.atomic import atomic_file
from pipeline.storage.lock import hold_lock
from pipeline.storage.paths import Paths

TEMPLATE = Path(__file__).with_name("dagster.yaml")
WORKSPACE = Path(__file__).with_name("workspace.yaml")


def ensure_dagster_home() -> Path:
    """Return the instance's folder, and set it in this process's environment. Make it if it is missing.

    Its databases are made here too. A webserver and a daemon that start on an empty folder would both create them and
    leave them unusable (measured: "Version table 'alembic_version' has more than one head"). The lock keeps two
    commands that start at once from doing that. Warns on stderr if `dagster.yaml` does not name this project's
    launcher.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    _make_folder(home, "DAGSTER_HOME" if os.environ.get("DAGSTER_HOME") else "GANFORGE_DATA")
    with hold_lock(home / ".lock"):
        os.environ["DAGSTER_HOME"] = str(home)
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(TEMPLATE, home / "dagster.yaml")
        replace_former_modules(home)
        _copy_workspace(Paths.default().dagster())
        name_storage(home)
        with dg.DagsterInstance.get() as instance:
            instance.get_runs_count()
            instance.all_instigator_state()
            _warn_of_another_launcher(instance, home)
    return home


def _make_folder(folder: Path, variable: str) -> None:
    """Make a folder if it is missing, and test that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").open("a").close()
    except OSError as error:
        raise OSError(
            f"cannot write to the folder {folder} ({error.strerror}): start ganforge in a folder that you may write "
            f"to, or name one with {variable}"
        ) from None


def _copy_workspace(folder: Path) -> None:
    """Copy `workspace.yaml` if the copy is missing or different. A running webserver may read it at any time."""
    _make_folder(folder, "GANFORGE_DATA")
    copy, text = folder / WORKSPACE.name, WORKSPACE.read_bytes()
    if not copy.is_file() or copy.read_bytes() != text:
        with atomic_file(copy) as unfinished:
            unfinished.write_bytes(text)


def _warn_of_another_launcher(instance: dg.DagsterInstance, home: Path) -> None:
    """Print a warning for an instance that is older than the launcher: upgrades do not change its `dagster.yaml`."""
    if not isinstance(instance.run_launcher, OwnProcessLauncher):
        print(
            f"warning: {home / 'dagster.yaml'} does not name this project's launcher, so runs that the UI queues and "
            f"whose process dies stay in progress and hold their pool: copy `run_launcher:`, `run_monitoring:` and "
            f"`run_retries:` with the lines under them from {TEMPLATE}",
            file=sys.stderr,
        )
