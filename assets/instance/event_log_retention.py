"""Event log retention: old runs with their events and logs, and the space they leave in the databases.

Dagster keeps all of it for ever: its own `retention` covers only ticks. Deleting a run deletes every event it logged,
including the materializations that record an asset's version. A run therefore stays in two cases. Either one of its
events is the newest of its kind: a materialization, observation or attempt of an asset partition, or a check's result.
Or the newest materialization of another asset was made from it: Dagster looks up input versions by their events, and
calls an asset stale if those are gone.

`DagsterInstance.delete_run` (1.13) leaves the run's tags and checks (SQLite enforces no foreign keys here), the run's
own database and the output of its steps. They are deleted here.

Other projects may use the same instance (`ownership.py`), so only this project's runs are deleted. Leftover files of
deleted runs do not show their project, and compacting rewrites whole databases. Both are therefore done only if no
other project uses the instance.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as db
from dagster._core.definitions.data_version import extract_data_provenance_from_entry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster_shared.serdes import deserialize_value

from assets.graph.ownership import is_own_run_of, reason_to_share
from assets.instance.any_folder_storage import expect_storage
from assets.instance.former_modules import expect_present_modules
from assets.instance.heartbeat import existing_home
from assets.instance.tick_retention import old_ticks
from assets.triggers.operations import load_operations
from pipeline.clean.files import DAY_SECONDS, format_days
from pipeline.clean.removal import Removal, latest_change, make_remover, remove_path, size_of
from pipeline.cli import clean as cleaning

BUSY_SECONDS = 10.0  # to wait for a process that writes
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def clean_up(*, dry_run: bool, orphans: bool) -> int:
    """Remove old files of the data folder, and old runs and ticks of the Dagster instance; return the exit code."""
    retention = load_operations().retention
    home = existing_home()
    if home is None:
        return cleaning.clean(retention.checkpoint_days, dry_run=dry_run, orphans=orphans)
    expect_present_modules(home)
    expect_storage(home)
    with dg.DagsterInstance.get() as instance:
        now = time.time()
        shared = reason_to_share(instance, home)
        removals = [*old_runs(instance, home, now, retention.run_days), *old_ticks(instance, now, retention.tick_days)]
        if shared is None:
            removals.extend(stray_files(instance, home, now, retention.run_days))
        code = cleaning.clean(retention.checkpoint_days, removals, dry_run=dry_run, orphans=orphans)
    if shared is not None:
        print(
            f"{home}: other projects may use this Dagster instance ({shared.reason}): its databases were not "
            f"compacted, and files of deleted runs were kept; {shared.remedy}"
        )
    elif removals and not dry_run:
        print(compact(home))
    return code


# ---------------------------------------------------------------------------------------------------------------------
# Runs


def old_runs(instance: dg.DagsterInstance, home: Path, now: float, days: float) -> list[Removal]:
    """Return this project's runs that ended over `days` before `now` (seconds since 1970) and hold no needed event."""
    before = now - days * DAY_SECONDS
    needed = needed_runs(instance)
    ended = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=datetime.fromtimestamp(before, UTC))
    records = instance.get_run_records(ended, ascending=True)
    own = [record for record in records if is_own_run_of(home, record.dagster_run)]
    reason = f"run that ended over {format_days(days)} ago"
    return [_removal(instance, home, record, now, reason) for record in own if record.dagster_run.run_id not in needed]


def stray_files(instance: dg.DagsterInstance, home: Path, now: float, days: float) -> Iterator[Removal]:
    """Yield the leftover files of deleted runs: the UI deletes neither a run's own database nor its steps' output.

    The files do not show their project, so call this only for an instance that no other project uses.
    """
    candidates = [*(home / "history" / "runs").glob("*.db*"), *(home / "storage").glob("*")]
    run_files = [path for path in candidates if RUN_ID.fullmatch(_run_id(path))]
    old = [path for path in run_files if now - latest_change(path) >= days * DAY_SECONDS]
    known = set(instance.get_run_ids()) if old else set()
    for path in old:
        if _run_id(path) not in known:
            age, remove = now - latest_change(path), make_remover(path, ())
            yield Removal(str(path.relative_to(home)), "of a run that is gone", size_of(path), age, remove, path)


def _run_id(path: Path) -> str:
    """Return the run that a file or folder belongs to by its name."""
    return path.name.partition(".")[0]


def needed_runs(instance: dg.DagsterInstance) -> set[str]:
    """Return the runs with the newest events of an asset partition or check, or with the events they were made from."""
    log, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    newest = _newest_of_each(log.dagster_event_type.in_([kind.value for kind in ASSET_EVENTS]))
    newest_checks = db.select(db.func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.partition)
    made = log.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
    with _event_log(instance).index_connection() as connection:
        needed = set(connection.scalars(db.select(log.run_id).where(log.id.in_(newest))))
        needed |= set(connection.scalars(db.select(checks.run_id).where(checks.id.in_(newest_checks))))
        events = connection.execute(db.select(log.event, log.partition).where(log.id.in_(newest), made)).all()
        for used in {used for event, partition in events for used in _made_from(event, partition)}:
            needed |= set(connection.scalars(db.select(log.run_id).where(log.id.in_(used.events()))))
    return needed


@dataclass(frozen=True)
class _Used:
    """The newest events of an input, up to the storage id at which an asset was made from it."""

    asset_key: str
    partition: str | None  # of the asset made from it; None: it was made from all of the input's partitions
    up_to: int

    def events(self) -> db.Select[tuple[int]]:
        """Return their storage ids. A partition is made from the equal partition, or from inputs without partitions."""
        log = SqlEventLogStorageTable.c
        conditions = [log.asset_key == self.asset_key, log.id <= self.up_to]
        if self.partition is not None:
            conditions.append(db.or_(log.partition == self.partition, log.partition.is_(None)))
        kinds = (dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value)
        return _newest_of_each(log.dagster_event_type.in_(kinds), *conditions)


def _newest_of_each(*where: db.ColumnElement[bool]) -> db.Select[tuple[int]]:
    """Return a query for the storage id of the newest event per asset partition and kind."""
    log = SqlEventLogStorageTable.c
    chosen = db.select(db.func.max(log.id)).where(log.asset_key.is_not(None), *where)
    return chosen.group_by(log.asset_key, log.partition, log.dagster_event_type)


def _made_from(event: str, partition: str | None) -> list[_Used]:
    """Return the inputs that a materialization names."""
    provenance = extract_data_provenance_from_entry(deserialize_value(event, dg.EventLogEntry))
    pointers = {} if provenance is None else provenance.input_storage_ids
    return [_Used(key.to_string(), partition, up_to) for key, up_to in pointers.items() if up_to is not None]


def _removal(instance: dg.DagsterInstance, home: Path, record: RunRecord, now: float, reason: str) -> Removal:
    run_id = record.dagster_run.run_id
    files = _run_files(instance, home, run_id)
    age = now - (record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp())
    return Removal(f"run {run_id}", reason, sum(map(size_of, files)), age, _deletes(instance, run_id, files))


def _run_files(instance: dg.DagsterInstance, home: Path, run_id: str) -> list[Path]:
    """Return the files and folders that belong to one run alone."""
    storage = instance.event_log_storage
    shard = Path(storage.path_for_shard(run_id)) if isinstance(storage, SqliteEventLogStorage) else None
    shards = [] if shard is None else [shard.with_name(f"{shard.name}{end}") for end in ("", "-wal", "-shm")]
    return [path for path in (*shards, home / "storage" / run_id) if path.exists()]


def _deletes(instance: dg.DagsterInstance, run_id: str, files: list[Path]) -> Callable[[], bool]:
    def delete() -> bool:
        instance.delete_run(run_id)
        with _event_log(instance).index_connection() as connection:
            connection.execute(db.delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id == run_id))
        if isinstance(instance.run_storage, SqlRunStorage):
            with instance.run_storage.connect() as connection:
                connection.execute(db.delete(RunTagsTable).where(RunTagsTable.c.run_id == run_id))
        for path in files:
            remove_path(path)
        return True

    return delete


def _event_log(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ValueError(f"event log: found {type(storage).__name__}, expected one in SQL to remove old runs from")
    return storage


# ---------------------------------------------------------------------------------------------------------------------
# Databases


def compact(home: Path) -> str:
    """Give the space of deleted rows back to the disk. Return one sentence with the amount, or the reason if it failed.

    SQLite rewrites each database, for which no other process may be inside a transaction.
    """
    freed, busy = 0, []
    for path in (home / name for name in DATABASES):
        if path.is_file():
            before = path.stat().st_size
            try:
                with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                    connection.execute("VACUUM")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                freed += before - path.stat().st_size
            except sqlite3.OperationalError as error:
                busy.append(f"{path.name} ({error})")
    sentence = f"databases: {cleaning.size_text(max(0, freed))} freed"
    return sentence + (f"; not in {', '.join(busy)}: stop ganforge ui and repeat" if busy else "")
