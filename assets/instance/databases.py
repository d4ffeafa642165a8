"""Databases: keeps the SQLite files of the Dagster instance open while a command works.

Dagster opens a connection for every statement. SQLite cleans up its write-ahead log on the disk whenever the last
connection to a file closes: 500 times for an unchanged chain, one second of nine (docs/log.md). A second open
connection avoids that. It changes neither when statements are committed nor how safely.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def databases_stay_open() -> Iterator[None]:
    """Inside this context, hold an idle second connection to every SQLite file that is opened."""
    held: dict[str, sqlite3.Connection] = {}

    def keep(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            _, _, path = connection.execute("PRAGMA database_list").fetchone()
            if path and path not in held:  # an empty path is a database in memory
                held[path] = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                # Dagster would set this mode itself, but cannot while another connection is open.
                held[path].execute("PRAGMA journal_mode = WAL").fetchone()
                # SQLite opens the file only when a connection first reads.
                held[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    event.listen(Engine, "connect", keep)
    try:
        yield
    finally:
        event.remove(Engine, "connect", keep)
        for connection in held.values():
            connection.close()
