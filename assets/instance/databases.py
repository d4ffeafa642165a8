"""Databases: those of the Dagster instance stay open while a command works.

Dagster opens a connection for every statement, and SQLite tidies up its write-ahead log, on the disk, whenever the last
connection to a file is closed: 500 times for a chain that is unchanged, a second in nine (docs/log.md). What is
committed when, and how safely, stays as it was.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def kept_open() -> Iterator[None]:
    """Meanwhile, a second connection to every SQLite file that is opened, which reads and writes nothing."""
    kept: dict[str, sqlite3.Connection] = {}

    def keep(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            _, _, path = connection.execute("PRAGMA database_list").fetchone()
            if path and path not in kept:  # an empty path is a database in memory
                kept[path] = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                # as Dagster is about to set it, which it cannot under an open connection
                kept[path].execute("PRAGMA journal_mode = WAL").fetchone()
                kept[path].execute("SELECT count(*) FROM sqlite_master").fetchone()  # a connection opens when it reads

    event.listen(Engine, "connect", keep)
    try:
        yield
    finally:
        event.remove(Engine, "connect", keep)
        for connection in kept.values():
            connection.close()
