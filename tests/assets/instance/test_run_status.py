"""The facts that Dagster's event log adds to the status from files."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from assets.instance.dead_runs import process_tag
from assets.instance.heartbeat import daemon_is_running, existing_home, home_to_read
from assets.instance.run_status import last_attempts, with_dagster
from pipeline.status.state import FAILED, FRESH, MISSING, ORPHAN, STALE, State, Status
from pipeline.status.survey import RecipeStatus, Survey
from pipeline.storage.paths import Paths

PARTITIONS = dg.StaticPartitionsDefinition(["one", "two"])
BROKEN = {"one"}


@dg.asset(key=["r", "generator"], partitions_def=PARTITIONS, code_version="1")
def generator(context: dg.AssetExecutionContext) -> None:
    if context.partition_key in BROKEN:
        raise ValueError("the loss is\nnot finite")


@dg.asset(key=["r", "samples"], deps=[generator], partitions_def=PARTITIONS)
def samples() -> None:
    pass


DEFINITIONS = dg.Definitions(assets=[generator, samples])
ASSETS = [generator, samples]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an instance's folder like `ganforge` does."""
    folder = Paths.default().dagster()
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture(scope="module")
def failed_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dg.DagsterInstance, str]]:
    """Partition one failed and two succeeded; samples of one were not begun."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        failed = dg.materialize(ASSETS, partition_key="one", instance=instance, raise_on_error=False)
        dg.materialize(ASSETS, partition_key="two", instance=instance)
        yield instance, failed.run_id


def row(name: str, state: State, *reasons: str) -> Status:
    asset, _, partition = name.partition(" ")
    return Status(asset, partition or None, state, reasons)


def with_attempts(instance: dg.DagsterInstance, *statuses: Status) -> dict[str, Status]:
    survey = Survey({}, (RecipeStatus("r", statuses, ()),), ())
    return {status.name: status for status in with_dagster(survey, instance, DEFINITIONS).statuses()}


def test_an_attempt_that_failed_is_why_something_is_not_there(failed_once: tuple[dg.DagsterInstance, str]) -> None:
    instance, run_id = failed_once
    statuses = with_attempts(instance, row("r/generator one", MISSING), row("r/generator two", FRESH))
    assert statuses["r/generator one"].state == FAILED
    assert statuses["r/generator one"].reasons == (f"run {run_id[:8]} failed: the loss is not finite",)
    assert statuses["r/generator two"] == row("r/generator two", FRESH)


def test_every_partition_that_a_failed_run_planned_names_that_run(
    failed_once: tuple[dg.DagsterInstance, str],
) -> None:
    instance, run_id = failed_once
    assert {key: attempt.run_id for key, attempt in last_attempts(instance).items()} == {
        ("r/generator", "one"): run_id,
        ("r/samples", "one"): run_id,
    }


def test_where_the_files_are_fresh_a_failed_attempt_is_a_note(failed_once: tuple[dg.DagsterInstance, str]) -> None:
    instance, run_id = failed_once
    status = with_attempts(instance, row("r/generator one", FRESH))["r/generator one"]
    assert status.state == FRESH
    assert status.notes[0] == f"run {run_id[:8]} failed: the loss is not finite"


def test_a_different_state_in_dagster_is_a_note_unless_it_is_inherited_staleness(
    failed_once: tuple[dg.DagsterInstance, str],
) -> None:
    instance, _ = failed_once
    stale = row("r/generator two", STALE, "generator.learning_rate 1 -> 2")
    inherited = row("r/samples two", STALE, "because r/generator two is stale")
    orphan, foreign = row("old/generator two", ORPHAN), row("x/raw", FRESH)
    statuses = with_attempts(instance, stale, inherited, orphan, foreign)
    assert statuses["r/generator two"].notes == ("Dagster reports fresh",)
    assert [statuses[status.name] for status in (inherited, orphan, foreign)] == [inherited, orphan, foreign]
    assert with_attempts(instance, row("r/generator two", MISSING))["r/generator two"].notes == (
        "Dagster reports fresh",
    )


def test_an_attempt_in_progress_or_cancelled_is_a_note(instance: dg.DagsterInstance) -> None:
    missing = row("r/generator one", MISSING)
    during: list[Status] = []

    @dg.asset(key=["r", "generator"], partitions_def=PARTITIONS)
    def looking(context: dg.AssetExecutionContext) -> None:
        during.append(with_attempts(context.instance, missing)[missing.name])
        raise ValueError("not made")

    dg.materialize([looking], partition_key="one", instance=instance, raise_on_error=False)
    (run,) = instance.get_runs()
    instance.report_run_canceled(run)
    after = with_attempts(instance, missing)[missing.name]
    assert [status.state for status in (*during, after)] == [MISSING, MISSING]
    assert [status.notes for status in (*during, after)] == [
        (f"run {run.run_id[:8]} is running",),
        (f"run {run.run_id[:8]} was cancelled",),
    ]


def test_a_run_without_a_process_counts_as_failed_before_dagster_records_it(instance: dg.DagsterInstance) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    missing = row("r/generator one", MISSING)
    during: list[Status] = []

    @dg.asset(key=["r", "generator"], partitions_def=PARTITIONS)
    def looking(context: dg.AssetExecutionContext) -> None:
        instance.add_run_tags(context.run.run_id, process_tag(context.run.run_id, process.pid))
        during.append(with_attempts(instance, missing)[missing.name])
        process.kill()
        process.wait()
        during.append(with_attempts(instance, missing)[missing.name])

    dg.materialize([looking], partition_key="one", instance=instance)
    assert [status.state for status in during] == [MISSING, FAILED]
    assert "ended without a message" in during[1].reasons[0]


def test_an_instance_is_never_made_by_asking(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    assert existing_home() is None
    assert home_to_read(None) is None
    assert home_to_read(False) is None
    with pytest.raises(FileNotFoundError, match="no Dagster instance there yet"):
        home_to_read(True)
    assert not paths.root.exists()


def test_dagster_is_queried_by_default_only_where_its_daemon_is_running(
    home: Path, instance: dg.DagsterInstance
) -> None:
    assert not daemon_is_running(home)
    instance.get_runs_count()
    assert not daemon_is_running(home)
    now = datetime.now(UTC)
    beat(instance, now - timedelta(minutes=3))
    assert not daemon_is_running(home)
    assert home_to_read(None) is None
    assert home_to_read(True) == home
    beat(instance, now)
    assert daemon_is_running(home)
    assert home_to_read(None) == home
    assert home_to_read(False) is None


def beat(instance: dg.DagsterInstance, moment: datetime) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(moment.timestamp(), "SENSOR", "id", []))
