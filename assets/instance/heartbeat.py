"""Heartbeat: whether there is a Dagster instance, and whether its daemon is running. Imports no Dagster: it is asked
by commands that answer in less time than that takes.
"""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from assets.instance.former_modules import replace_former_modules
from pipeline.storage.paths import Paths

RECENT_SECONDS = 120.0  # a daemon writes every 30 seconds


def existing_home() -> Path | None:
    """The instance's folder, set in this process's environment; None where nobody has made one yet."""
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    if not (home / "dagster.yaml").is_file():
        return None
    replace_former_modules(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def home_to_ask(asked: bool | None) -> Path | None:
    """The instance's folder where a person asked for it, or did not say and a daemon is running; else None.

    Raises `FileNotFoundError` where it was asked for and there is none.
    """
    home = existing_home()
    if asked and home is None:
        raise FileNotFoundError(
            f"{os.environ.get('DAGSTER_HOME') or Paths.default().dagster()}: no Dagster instance there yet; "
            "it is made by the first ganforge materialize or ganforge ui"
        )
    if asked is None:
        return home if home is not None and daemon_is_running(home) else None
    return home if asked else None


def daemon_is_running(home: Path) -> bool:
    """Whether a daemon wrote its heartbeat within the last two minutes; False where that cannot be read."""
    try:
        with closing(sqlite3.connect(f"{(home / 'history' / 'runs.db').as_uri()}?mode=ro", uri=True)) as connection:
            (last,) = connection.execute("SELECT MAX(timestamp) FROM daemon_heartbeats").fetchone()
            return last is not None and time.time() - _seconds(last) < RECENT_SECONDS
    except (sqlite3.Error, ValueError):  # another kind of storage, or one of another version
        return False


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
