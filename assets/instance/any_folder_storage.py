"""Any folder's storage: Dagster's SQLite storage in a folder whose path contains `%` or `?`.

Dagster (1.13) builds the address of a database from `sqlite:///` and the unquoted path. SQLAlchemy then reads `%20` as
a space, and everything after `?` as options. So the database is not found, or it is created beside the folder. This
module passes the path as a path (`sqlalchemy.URL`). `dagster.yaml` names this class, so UI, daemon and runs use it
too. Instances in all other folders keep Dagster's own classes.

Two other ways fail. Dagster creates folders named like a quoted path. Patching Dagster at run time comes too late,
because webserver and daemon open the databases before they import this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import check_alembic_revision, get_alembic_config, safe_commit, stamp_alembic_rev
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster_shared.yaml_utils import load_yaml_from_path
from sqlalchemy import URL, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from assets.graph.ownership import is_in_data_folder
from pipeline.storage.lock import hold_lock

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection

STORAGE = """
# Dagster's own storage cannot open databases in a folder with % or ? in its path.
storage:
  custom:
    module: assets.instance.any_folder_storage
    class: AnyFolderStorage
    config:
      base_dir:
        env: DAGSTER_HOME
"""
SPECIAL = "%?"  # characters with a meaning of their own in the address of a database
NAMES_OF_STORAGE = {"storage", "run_storage", "event_log_storage", "schedule_storage"}  # in dagster.yaml


def name_storage(home: Path) -> None:
    """Add this storage to an instance's `dagster.yaml` if Dagster's own storage cannot open databases in that folder.

    The databases have the same places as with Dagster's own storage.
    """
    if not _lacks_storage(home):
        return
    with (home / "dagster.yaml").open("a", encoding="utf-8") as settings:
        settings.write(STORAGE)


def expect_storage(home: Path) -> None:
    """Add this storage to the data folder's own instance if needed; raise ValueError if any other instance needs it.

    The data folder may have been moved since its `dagster.yaml` was made. Another instance may be another project's, so
    a command that only reads it does not change its settings.
    """
    if not _lacks_storage(home):
        return
    if not is_in_data_folder(home):
        raise ValueError(
            f"{home / 'dagster.yaml'}: Dagster cannot open its databases in a folder with % or ? in its path, and this "
            "file names no storage that can; ganforge materialize and ganforge ui add one"
        )
    with hold_lock(home / ".lock"):  # two commands that start at once would both add it
        name_storage(home)


def _lacks_storage(home: Path) -> bool:
    if not any(character in str(home) for character in SPECIAL):
        return False
    settings = load_yaml_from_path(str(home / "dagster.yaml"))
    return not isinstance(settings, dict) or not NAMES_OF_STORAGE & set(settings)


class AnyFolderStorage(DagsterSqliteStorage):
    """Keeps runs, events and schedules in the same places as Dagster's own storage."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.base_dir = base_dir
        self._run_storage = _RunStorage.from_local(str(Path(base_dir, "history")))
        self._event_log_storage = _EventLogStorage(str(Path(base_dir, "history", "runs")))
        self._schedule_storage = _ScheduleStorage.from_local(str(Path(base_dir, "schedules")))
        self._inst_data = inst_data
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]  # the parent would open the databases

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> AnyFolderStorage:
        """Make the storage from its entry in `dagster.yaml`. Dagster calls this."""
        return cls.from_local(inst_data=inst_data, **config_value)


class _FileStorage:
    """The part that storage of runs and of schedules share: one database, opened by its path."""

    _conn_string: str  # here the path of the database

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with _connection(self._conn_string) as connection, connection.begin():
            yield connection


class _RunStorage(_FileStorage, SqliteRunStorage):
    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> _RunStorage:
        path = str(Path(base_dir, "runs.db"))
        is_new = _prepare(path, RunStorageSqlMetadata, sqlite_run_storage.__file__)
        return _migrated(cls(path, inst_data), is_new=is_new)


class _ScheduleStorage(_FileStorage, SqliteScheduleStorage):
    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> _ScheduleStorage:
        path = str(Path(base_dir, "schedules.db"))
        is_new = _prepare(path, ScheduleStorageSqlMetadata, sqlite_schedule_storage.__file__)
        return _migrated(cls(path, inst_data), is_new=is_new)


Storage = TypeVar("Storage", _RunStorage, _ScheduleStorage)


def _migrated(storage: Storage, *, is_new: bool) -> Storage:
    """Return the storage after the data migrations that Dagster runs on a new database."""
    if is_new:
        storage.migrate()
        storage.optimize()
    return storage


class _EventLogStorage(SqliteEventLogStorage):
    def conn_string_for_shard(self, shard_name: str) -> URL:  # type: ignore[override]
        return _address(self.path_for_shard(shard_name))


def _prepare(path: str, tables: MetaData, module: str) -> bool:
    """Make a database's folder and tables if they are missing. Return whether the tables were."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    migrations = get_alembic_config(module)
    with _connection(path) as connection:
        if all(check_alembic_revision(migrations, connection)):
            return False
        tables.create_all(connection)
        safe_commit(connection)
        connection.execute(text("PRAGMA journal_mode=WAL;"))
        stamp_alembic_rev(migrations, connection, rev="head")
        safe_commit(connection)
    return True


@contextmanager
def _connection(path: str) -> Iterator[Connection]:
    with create_engine(_address(path), poolclass=NullPool).connect() as connection:
        yield connection


def _address(path: str) -> URL:
    return URL.create("sqlite", database=path)
