"""Old runs are removed, and Dagster's facts about assets do not change."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.test.data_versions import get_stale_status_resolver
from sqlalchemy import event
from sqlalchemy.engine import Engine

from assets.instance.event_log_retention import compact, needed_runs, old_runs, stray_files
from tests.assets.origins import OWN_TAGS

KEYS = ("one", "two")
PARTITIONS = dg.StaticPartitionsDefinition(list(KEYS))
VERSIONS = {"raw": "1", "net": "1", "drawn": "1", "table": "1"}  # of the next run
TOMORROW = 86_400.0


def version(name: str) -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion(VERSIONS[name]))


@dg.asset
def raw() -> dg.MaterializeResult:
    return version("raw")


@dg.asset(deps=[raw], partitions_def=PARTITIONS, check_specs=[dg.AssetCheckSpec("sound", asset="net")])
def net(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    print("said by a step")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(VERSIONS["net"]),
        check_results=[dg.AssetCheckResult(passed=VERSIONS["net"] == "1")],
    )


@dg.asset(deps=[net], partitions_def=PARTITIONS)
def drawn(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return version("drawn")


@dg.asset(deps=[drawn])
def table() -> dg.MaterializeResult:
    return version("table")


ASSETS = [raw, net, drawn, table]
PARTITIONED = ("net", "drawn")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: object, _: object) -> None:
    """Dagster commits every line of its log."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def make(instance: dg.DagsterInstance, name: str, partition: str | None = None, **versions: str) -> str:
    VERSIONS.update(versions)
    result = dg.materialize(ASSETS, selection=[name], partition_key=partition, instance=instance, tags=OWN_TAGS)
    return result.run_id


def make_all(instance: dg.DagsterInstance) -> list[str]:
    """Make every asset in one run each and return the runs."""
    VERSIONS.update(dict.fromkeys(VERSIONS, "1"))
    partitioned = [make(instance, name, key) for name in PARTITIONED for key in KEYS]
    return [make(instance, "raw"), *partitioned, make(instance, "table")]


def told(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return Dagster's facts about assets: versions, staleness with its causes, checks and partitions."""
    resolver = get_stale_status_resolver(instance, ASSETS)
    facts: dict[str, Any] = {}
    for name in VERSIONS:
        key = dg.AssetKey(name)
        record = instance.get_latest_materialization_event(key)
        facts[name] = None if record is None else record.asset_materialization
        facts[f"{name} made"] = instance.get_materialized_partitions(key) if name in PARTITIONED else None
        for partition in KEYS if name in PARTITIONED else (None,):
            name_of_partition = f"{name} {partition}"
            facts[f"{name_of_partition} version"] = resolver.get_current_data_version(key, partition)
            facts[f"{name_of_partition} status"] = resolver.get_status(key, partition)
            facts[f"{name_of_partition} causes"] = [cause.reason for cause in resolver.get_stale_causes(key, partition)]
    check = dg.AssetCheckKey(dg.AssetKey("net"), "sound")
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    facts["check"] = [(record.run_id, record.status) for record in records]
    return facts


def delete_old(instance: dg.DagsterInstance, home: Path) -> set[str]:
    then = time.time() + TOMORROW
    removals = [*old_runs(instance, home, then, 0.5), *stray_files(instance, home, then, 0.5)]
    assert all(removal.remove() for removal in removals)
    return {removal.name.removeprefix("run ") for removal in removals}


def test_a_run_goes_when_all_it_made_was_made_again(instance: dg.DagsterInstance, home: Path) -> None:
    old = make(instance, "raw")
    new = make(instance, "raw")
    (removal,) = old_runs(instance, home, time.time() + TOMORROW, 0.5)
    assert removal.name == f"run {old}"
    assert removal.size_bytes > 10_000
    assert removal.age_seconds == pytest.approx(TOMORROW, abs=600)
    assert old_runs(instance, home, time.time(), 0.5) == []
    removal.remove()
    assert [run.run_id for run in instance.get_runs()] == [new]


def test_nothing_of_a_deleted_run_is_left_on_the_disk(instance: dg.DagsterInstance, home: Path) -> None:
    old = make(instance, "net", "one", raw="1")
    make(instance, "net", "one")
    assert list(home.rglob(f"{old}*"))
    assert delete_old(instance, home) == {old}
    assert list(home.rglob(f"{old}*")) == []
    for database in (home / "history" / "runs.db", home / "history" / "runs" / "index.db"):
        with closing(sqlite3.connect(database)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in tables:
                columns = [column[1] for column in connection.execute(f"PRAGMA table_info({name})")]
                if "run_id" in columns:
                    query = f"SELECT COUNT(*) FROM {name} WHERE run_id = ?"
                    assert connection.execute(query, (old,)).fetchone() == (0,), (database, name)


def test_the_event_that_a_newest_one_was_made_from_stays(instance: dg.DagsterInstance, home: Path) -> None:
    VERSIONS.update(dict.fromkeys(VERSIONS, "1"))
    used = make(instance, "net", "one")
    make(instance, "drawn", "one")
    again = make(instance, "net", "one")  # unchanged
    newest = make(instance, "net", "one")
    before = told(instance)
    assert before["drawn one status"].value == "FRESH"
    assert used in needed_runs(instance)
    assert delete_old(instance, home) == {again}
    assert {used, newest} < {run.run_id for run in instance.get_runs()}
    assert told(instance) == before


def test_of_every_partition_the_event_stays_that_a_whole_was_made_from(
    instance: dg.DagsterInstance, home: Path
) -> None:
    VERSIONS.update(dict.fromkeys(VERSIONS, "1"))
    used = {make(instance, "drawn", key) for key in KEYS}
    make(instance, "table")
    make(instance, "drawn", "one")  # unchanged
    before = told(instance)
    assert before["table None status"].value == "FRESH"
    assert used < needed_runs(instance)
    assert delete_old(instance, home) == set()
    assert told(instance) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_dagster_reports_the_same_state_after_old_runs_are_deleted(
    seed: int, instance: dg.DagsterInstance, home: Path
) -> None:
    chosen = random.Random(seed)
    make_all(instance)
    for _ in range(10):
        name = chosen.choice(list(VERSIONS))
        make(instance, name, chosen.choice(KEYS) if name in PARTITIONED else None, **{name: chosen.choice("12")})
    before, runs = told(instance), instance.get_runs_count()
    gone = delete_old(instance, home)
    assert 0 < len(gone) < runs
    assert told(instance) == before
    compact(home)
    assert told(instance) == before
    assert delete_old(instance, home) == set()


def test_a_run_that_is_not_over_stays_however_old_it_is(instance: dg.DagsterInstance, home: Path) -> None:
    make(instance, "raw")
    make(instance, "raw")
    going_on = instance.create_run_for_job(dg.define_asset_job("job").resolve(asset_graph=graph()))
    assert delete_old(instance, home)
    assert going_on.run_id in {run.run_id for run in instance.get_runs()}


def graph() -> Any:
    return dg.Definitions(assets=ASSETS).resolve_asset_graph()


def test_the_last_attempt_of_a_partition_stays_although_it_failed(instance: dg.DagsterInstance, home: Path) -> None:
    @dg.asset
    def breaking() -> None:
        raise ValueError("broken")

    runs = [dg.materialize([breaking], instance=instance, raise_on_error=False, tags=OWN_TAGS).run_id for _ in range(2)]
    assert delete_old(instance, home) == {runs[0]}


def test_files_of_a_run_that_was_deleted_in_the_ui_go_too(instance: dg.DagsterInstance, home: Path) -> None:
    run_id = make(instance, "net", "one", raw="1")
    (home / "storage" / "of_somebody_else").mkdir()
    assert delete_old(instance, home) == set()
    instance.delete_run(run_id)
    assert delete_old(instance, home) == {f"history/runs/{run_id}.db", f"storage/{run_id}"}
    assert (home / "storage" / "of_somebody_else").exists()
    assert make(instance, "net", "one")


def test_deleted_rows_give_their_space_back(instance: dg.DagsterInstance, home: Path) -> None:
    for size in (400_000, 1):
        make(instance, "raw", raw="x" * size)
    VERSIONS["raw"] = "1"
    index = home / "history" / "runs" / "index.db"
    delete_old(instance, home)
    before = index.stat().st_size
    said = compact(home)
    assert said.startswith("databases: ") and said.endswith(" freed")
    assert index.stat().st_size < before


def test_a_database_that_somebody_writes_to_is_named(
    instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(instance, "raw")
    monkeypatch.setattr("assets.instance.event_log_retention.BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(home / "history" / "runs.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert "runs.db (database is locked): stop ganforge ui" in compact(home)
