"""Heartbeat: finds the Dagster instance, and whether its daemon is running.

Imports no Dagster, because commands use it that finish faster than that import.
"""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pipeline.storage.paths import Paths

RECENT_SECONDS = 120.0  # a daemon writes every 30 seconds


def existing_home() -> Path | None:
    """Return the instance's folder and set it in this process's environment; None if there is no instance yet."""
    home = Path(os.environ.get("DAGSTER_HOME") or Paths.default().dagster()).expanduser().resolve()
    if not (home / "dagster.yaml").is_file():
        return None
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def home_to_read(choice: bool | None) -> Path | None:
    """Return the instance's folder if a command should read it, else None.

    `choice` is the person's: True and False decide, None reads the instance only if a daemon is running. Raises
    `FileNotFoundError` if a person chose to read it and there is none.
    """
    home = existing_home()
    if choice and home is None:
        raise FileNotFoundError(
            f"{os.environ.get('DAGSTER_HOME') or Paths.default().dagster()}: no Dagster instance there yet; "
            "it is made by the first ganforge materialize or ganforge ui"
        )
    if choice is None:
        return home if home is not None and daemon_is_running(home) else None
    return home if choice else None


def daemon_is_running(home: Path) -> bool:
    """Return whether a daemon wrote its heartbeat within two minutes; False if that cannot be read."""
    try:
        with closing(sqlite3.connect(f"{(home / 'history' / 'runs.db').as_uri()}?mode=ro", uri=True)) as connection:
            (last,) = connection.execute("SELECT MAX(timestamp) FROM daemon_heartbeats").fetchone()
            return last is not None and time.time() - _seconds(last) < RECENT_SECONDS
    except (sqlite3.Error, ValueError):  # another kind or version of storage
        return False


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
