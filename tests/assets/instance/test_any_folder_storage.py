"""Dagster instances in folders with a path that is special in the address of a database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._daemon.types import DaemonHeartbeat

from assets import cli
from assets.instance.any_folder_storage import STORAGE, expect_storage
from assets.instance.event_log_retention import DATABASES, compact, old_runs
from assets.instance.heartbeat import daemon_is_running
from assets.instance.home import TEMPLATE, ensure_dagster_home
from tests.assets.origins import OWN_TAGS

NAMES = ["a%2Fb", "what?"]


@dg.asset
def made() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"answer": 42})


@pytest.fixture(params=NAMES)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An instance that a command made; nothing may appear beside its folder."""
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / request.param / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / request.param / "home"))
    yield ensure_dagster_home()
    assert [path.name for path in tmp_path.iterdir()] == [request.param]


def test_runs_and_events_are_kept_and_found_by_another_process(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run_id = dg.materialize([made], instance=instance).run_id
        reference = instance.get_ref()
    for opened in (dg.DagsterInstance.get(), dg.DagsterInstance.from_ref(reference)):
        with opened as instance:
            assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
            assert [run.run_id for run in instance.get_runs()] == [run_id]
            event = instance.get_latest_materialization_event(dg.AssetKey("made"))
            assert event is not None
            assert event.run_id == run_id
            assert list(instance.all_instigator_state()) == []
    for name in DATABASES:  # where Dagster's own storage has them
        with closing(sqlite3.connect(home / name)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] > 0
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_old_runs_go_and_databases_are_compacted(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        runs = [dg.materialize([made], instance=instance, tags=OWN_TAGS).run_id for _ in range(2)]
        (removal,) = old_runs(instance, home, 4e9, 1)
        assert removal.remove()
        assert [run.run_id for run in instance.get_runs()] == runs[1:]
    assert compact(home).endswith(" freed")


def test_a_daemon_is_found(home: Path) -> None:
    assert not daemon_is_running(home)
    with dg.DagsterInstance.get() as instance:
        import time

        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "one"))
    assert daemon_is_running(home)


@pytest.mark.parametrize("words", ["clean", "status --dagster"])
@pytest.mark.parametrize("name", NAMES)
def test_commands_work_at_once_in_a_data_folder_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    ensure_dagster_home()
    moved = tmp_path / name
    (tmp_path / "data").rename(moved)
    monkeypatch.setenv("GANFORGE_DATA", str(moved))
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setattr("sys.argv", ["ganforge", *words.split()])
    for _ in range(2):
        assert cli.main() == 0
        monkeypatch.delenv("DAGSTER_HOME")
    settings = (moved / "dagster" / "dagster.yaml").read_text()
    assert settings == TEMPLATE.read_text() + STORAGE
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_settings_of_before_get_the_storage_and_others_are_kept(home: Path) -> None:
    settings = home / "dagster.yaml"
    assert settings.read_text().startswith(TEMPLATE.read_text())
    settings.write_text("telemetry:\n  enabled: false\n")
    with pytest.raises(ValueError, match=r"names no storage that can; ganforge materialize and ganforge ui add one"):
        expect_storage(home)
    assert settings.read_text() == "telemetry:\n  enabled: false\n"
    for _ in range(2):
        ensure_dagster_home()
    assert settings.read_text().count("AnyFolderStorage") == 1
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
        assert not instance.telemetry_enabled


def test_an_error_of_sqlite_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    database = ensure_dagster_home() / "history" / "runs.db"
    for path in database.parent.glob("runs.db*"):
        path.unlink()
    database.mkdir()
    monkeypatch.setattr("sys.argv", ["ganforge", "clean"])
    assert cli.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"ganforge: {tmp_path / 'home'}: a database of the Dagster instance cannot be used (unable to"
    )
    assert said.count("\n") == 1
