"""`ganforge clean` in a Dagster instance that another project uses too: that project's runs, ticks and files stay."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.api import execute_run
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus

from assets.graph.ownership import is_own_run, is_own_run_of, reason_to_share
from assets.instance import event_log_retention
from assets.instance.dead_runs import process_tag
from pipeline.storage.paths import Paths
from tests.assets.origins import FOREIGN, OWN, OWN_TAGS, instigator_origin, job_origin

DAY = 86_400.0
STRAY = "0f0f0f0f-0000-4000-8000-000000000001"  # a run that is gone


@dg.asset
def made() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"long": "x" * 20_000})


JOB = dg.Definitions(assets=[made], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance's folder outside the data folder."""
    return start_home(tmp_path / "shared", monkeypatch)


@pytest.fixture
def private(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instance's folder inside the data folder."""
    return start_home(paths.dagster(), monkeypatch)


def start_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def years_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a test makes is old when `ganforge clean` looks at it."""
    monkeypatch.setattr(event_log_retention, "time", SimpleNamespace(time=lambda: time.time() + 1000 * DAY))


def finished_run(instance: dg.DagsterInstance, location: tuple[str, str] | None, **tags: str) -> str:
    """A run that really ran, started by the UI of a code location, or in process where none is named."""
    origin = None if location is None else job_origin(*location)
    run = instance.create_run_for_job(JOB, remote_job_origin=origin, tags=tags)
    if location is not None:  # the launcher tags every run that it starts
        instance.add_run_tags(run.run_id, process_tag(run.run_id))
    assert execute_run(InMemoryJob(JOB), run, instance).success
    return run.run_id


def ticked(instance: dg.DagsterInstance, location: tuple[str, str]) -> InstigatorState:
    """A sensor with two ticks."""
    state = InstigatorState(instigator_origin("alerts", *location), InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(state)
    for days in (2, 1):
        timestamp = time.time() - days * DAY
        tick = TickData(state.instigator_origin_id, "alerts", InstigatorType.SENSOR, TickStatus.SKIPPED, timestamp)
        instance.create_tick(tick._replace(selector_id=state.selector_id))
    return state


def ticks(instance: dg.DagsterInstance, state: InstigatorState) -> int:
    return len(instance.get_ticks(state.instigator_origin_id, state.selector_id))


def clean(*, dry_run: bool = False) -> int:
    return event_log_retention.clean_up(dry_run=dry_run, orphans=False)


def unused_pages(home: Path) -> int:
    """Pages of the event log that deleted rows left, and that compacting would give back."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as connection:
        return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def leave_stray_files(home: Path) -> list[Path]:
    stray = [home / "history" / "runs" / f"{STRAY}.db", home / "storage" / STRAY / "compute_logs" / "made.out"]
    for path in stray:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return stray


def test_of_a_shared_instance_only_this_projects_runs_and_ticks_go(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.get() as instance:
        foreign = [finished_run(instance, FOREIGN), finished_run(instance, None)]
        own_runs = [finished_run(instance, OWN), finished_run(instance, None, **OWN_TAGS)]
        newest = finished_run(instance, FOREIGN)
        own_sensor, foreign_sensor = ticked(instance, OWN), ticked(instance, FOREIGN)
        stray = leave_stray_files(shared)
        events = {run: [entry.user_message for entry in instance.all_logs(run)] for run in (*foreign, newest)}
        assert clean() == 0
        said = capsys.readouterr().out
        assert {run.run_id for run in instance.get_runs()} == {*foreign, newest}
        assert {run: [entry.user_message for entry in instance.all_logs(run)] for run in events} == events
        assert (ticks(instance, own_sensor), ticks(instance, foreign_sensor)) == (1, 2)
    assert all(f"run {run}" in said for run in own_runs)
    assert said.splitlines()[-1] == (
        f"{shared}: other projects may use this Dagster instance (it lies outside the data folder): its databases "
        "were not compacted, and files of deleted runs were kept; if only ganforge uses it, move its files to "
        f"{Paths.default().dagster()}"
    )
    assert all(path.exists() for path in stray)
    assert unused_pages(shared) > 0


def test_a_private_instance_gives_its_space_back_and_loses_stray_files(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.get() as instance:
        finished_run(instance, OWN)
        newest = finished_run(instance, None, **OWN_TAGS)
        ticked(instance, OWN)
        stray = leave_stray_files(private)
        assert reason_to_share(instance, private) is None
        assert clean() == 0
        assert [run.run_id for run in instance.get_runs()] == [newest]
    assert capsys.readouterr().out.splitlines()[-1].startswith("databases: ")
    assert not any(path.exists() for path in stray)
    assert unused_pages(private) == 0


@pytest.mark.parametrize("what", ["run", "sensor"])
def test_a_foreign_run_or_sensor_makes_an_instance_in_the_data_folder_a_shared_one(
    private: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.get() as instance:
        run = finished_run(instance, FOREIGN) if what == "run" else ""
        if what == "sensor":
            ticked(instance, FOREIGN)
        because = f"run {run} of __ASSET_JOB, which" if run else "alerts of another code location"
        reason = reason_to_share(instance, private)
        assert reason is not None
        assert because in reason.reason
        stray = leave_stray_files(private)
        assert clean(dry_run=True) == clean() == 0
    assert capsys.readouterr().out.count(because) == 2
    assert all(path.exists() for path in stray)


def own_data_assets() -> list[dg.AssetsDefinition]:
    """Assets with keys of this project's, which are quickly made."""

    def make(stage: str) -> dg.AssetsDefinition:
        @dg.asset(key=["mnist", stage])
        def made_quickly() -> None:
            return None

        return made_quickly

    return [make("raw"), make("tensors")]


def run_by_dagsters_own_command(instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition]) -> str:
    """Make a run as `dagster asset materialize` does: with a selection of assets, without tags and code location."""
    job = dg.Definitions(assets=assets, executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, asset_selection=frozenset(asset.key for asset in assets))
    assert execute_run(InMemoryJob(job), run, instance).success
    return run.run_id


def test_an_untagged_run_of_this_projects_assets_keeps_the_instance_private(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.get() as instance:
        old, newest = [run_by_dagsters_own_command(instance, own_data_assets()) for _ in range(2)]
        assert reason_to_share(instance, private) is None
        assert clean() == 0
        assert [run.run_id for run in instance.get_runs()] == [newest]
    assert f"run {old}" in (said := capsys.readouterr().out)
    assert said.splitlines()[-1].startswith("databases: ")


def test_in_an_instance_outside_the_data_folder_such_a_run_stays(shared: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = {run_by_dagsters_own_command(instance, own_data_assets()) for _ in range(2)}
        assert clean() == 0
        assert {run.run_id for run in instance.get_runs()} == runs


def test_an_untagged_run_of_a_foreign_asset_or_job_is_foreign_and_the_message_names_a_remedy(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for selection in (frozenset({dg.AssetKey(["mnist", "raw"]), dg.AssetKey("made")}), frozenset(), None):
        assert not is_own_run_of(private, dg.DagsterRun(job_name="job", asset_selection=selection))
    with dg.DagsterInstance.get() as instance:
        run = run_by_dagsters_own_command(instance, [*own_data_assets(), made])
        assert clean() == 0
        said = capsys.readouterr().out.splitlines()[-1]
        assert f"(it holds run {run} of __ASSET_JOB, which this project did not start)" in said
        assert said.endswith("; if that run is yours, delete it in the UI and repeat this command")
        instance.delete_run(run)
        assert reason_to_share(instance, private) is None


OWNERS: list[tuple[tuple[str, str | None] | None, dict[str, str], bool]] = [
    (OWN, {}, True),
    (FOREIGN, OWN_TAGS, False),
    (("ganforge", "elsewhere.definitions"), {}, False),
    (("assets.definitions", "assets.definitions"), {}, False),  # another project may have a module of this name
    (("elsewhere", "assets.definitions"), OWN_TAGS, False),
    (("ganforge", None), {}, True),
    (("elsewhere", None), OWN_TAGS, False),
    (None, OWN_TAGS, True),
    (None, {}, False),
    (None, process_tag("the-run-that-this-one-repeats"), False),
]


@pytest.mark.parametrize(("location", "tags", "is_own"), OWNERS)
def test_the_code_location_decides_the_project_of_a_run_and_else_its_tags(
    location: tuple[str, str | None] | None, tags: dict[str, str], is_own: bool
) -> None:
    origin = None if location is None else job_origin(*location)
    run = dg.DagsterRun(job_name="job", tags=tags, remote_job_origin=origin)
    assert is_own_run(run) is is_own


@pytest.mark.parametrize(("asset", "is_own"), [("mnist/raw", True), ("elsewhere/raw", False)])
def test_in_a_location_named_after_the_module_the_assets_decide_the_project_of_a_run(asset: str, is_own: bool) -> None:
    """`dagster dev -m assets.definitions` names it so."""
    origin = job_origin("assets.definitions", "assets.definitions")
    selected = frozenset([dg.AssetKey(asset.split("/"))])
    assert is_own_run(dg.DagsterRun(job_name="job", remote_job_origin=origin, asset_selection=selected)) is is_own


def test_a_run_that_names_itself_in_its_tag_is_this_projects() -> None:
    run = dg.DagsterRun(job_name="job")
    assert is_own_run(run.with_tags(process_tag(run.run_id)))
