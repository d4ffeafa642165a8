import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml

from assets.instance.home import TEMPLATE, WORKSPACE, ensure_dagster_home
from assets.instance.ui import _only_server, _start, serve
from pipeline.storage.paths import PROJECT, Paths


def test_a_taken_port_is_one_sentence_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"port {port} on 127\.0\.0\.1 is in use: .* make run PORT={port + 1}, or ganforge ui"
        ):
            serve(port)


def test_the_instance_is_made_from_the_template_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    home = ensure_dagster_home()
    assert home == Path(os.environ["GANFORGE_DATA"]) / "dagster"
    assert (home / "dagster.yaml").read_text() == TEMPLATE.read_text()
    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled


def test_an_edited_instance_keeps_its_settings() -> None:
    home = ensure_dagster_home()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ensure_dagster_home()
    assert (home / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_the_warning_on_an_instance_without_the_launcher_shows_the_lines_to_copy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = ensure_dagster_home()
    assert capsys.readouterr().err == ""
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    ensure_dagster_home()
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"warning: {home}/dagster.yaml does not name this project's launcher")
    assert (
        f"copy `run_launcher:`, `run_monitoring:` and `run_retries:` with the lines under them from {TEMPLATE}" in said
    )


def test_a_second_ui_on_one_data_folder_names_the_first_and_the_lock_ends_with_it() -> None:
    home = ensure_dagster_home()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    said = rf"{home} is served by another `ganforge ui` \(process {os.getpid()}, http://elsewhere\)"
    with _only_server(home, "http://elsewhere"), pytest.raises(OSError, match=said):
        serve(port)
    with (home / "ui.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_processes_that_start_at_once_share_one_sound_instance() -> None:
    command = [sys.executable, "-c", "from assets.instance.home import *; ensure_dagster_home()"]
    started = [subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0


def test_the_templates_are_files_of_the_package() -> None:
    package = PROJECT / "assets"
    assert TEMPLATE.is_relative_to(package) and TEMPLATE.is_file() and not TEMPLATE.is_symlink()
    assert WORKSPACE.is_relative_to(package) and WORKSPACE.is_file() and not WORKSPACE.is_symlink()


def test_the_checkouts_own_files_name_the_same_location_and_settings() -> None:
    assert yaml.safe_load((PROJECT / "workspace.yaml").read_text()) == yaml.safe_load(WORKSPACE.read_text())
    assert (PROJECT / "dagster.yaml").read_text() == TEMPLATE.read_text()


def test_an_older_copy_of_the_workspace_is_replaced() -> None:
    copy = ensure_dagster_home() / "workspace.yaml"
    assert copy.read_text() == WORKSPACE.read_text()
    copy.write_text("load_from: []\n")
    ensure_dagster_home()
    assert copy.read_text() == WORKSPACE.read_text()


def test_a_home_of_another_project_keeps_its_workspace_and_ours_lies_in_the_data_folder(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "shared" / "workspace.yaml"
    foreign.parent.mkdir()
    foreign.write_text("load_from: []\n")
    monkeypatch.setenv("DAGSTER_HOME", str(foreign.parent))
    assert ensure_dagster_home() == foreign.parent
    assert foreign.read_text() == "load_from: []\n"
    foreign.unlink()
    ensure_dagster_home()
    assert not foreign.exists()
    assert (paths.dagster() / "workspace.yaml").read_text() == WORKSPACE.read_text()
    assert not (paths.dagster() / "dagster.yaml").exists()  # or other commands would take it for an instance


def test_webserver_and_daemon_start_in_the_data_folder_for_any_folder_of_the_instance(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "shared"))
    started: dict[str, tuple[Path, tuple[str, ...]]] = {}

    def stop_at_the_second(folder: Path, name: str, _: str, *arguments: str) -> SimpleNamespace:
        started[name] = folder, arguments
        if len(started) == 2:
            raise KeyboardInterrupt
        return SimpleNamespace(pid=2**30)  # no process has this number

    monkeypatch.setattr("assets.instance.ui._start", stop_at_the_second)
    monkeypatch.setattr("assets.instance.ui.signal.signal", lambda *_: None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert serve(port) == 0
    assert [folder for folder, _ in started.values()] == [paths.dagster()] * 2
    assert all(arguments[-2:] == ("-w", str(paths.dagster() / "workspace.yaml")) for _, arguments in started.values())


def test_a_folder_that_cannot_be_made_is_one_sentence_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / "file" / "data"))
    said = (
        r"cannot write to the folder .*/file/data/dagster \(Not a directory\): start ganforge in a folder that you may"
    )
    with pytest.raises(OSError, match=said):
        ensure_dagster_home()
    assert "DAGSTER_HOME" not in os.environ


def test_the_servers_import_this_package_and_not_the_working_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = tmp_path / "folder", tmp_path / "work"
    folder.mkdir()
    (work / "assets").mkdir(parents=True)
    for name in ("assets/__init__.py", "pipeline.py", "dagster.py"):
        (work / name).write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(work)
    monkeypatch.delenv("GANFORGE_DATA")
    for module in ("assets.instance.heartbeat", "pipeline.storage.paths", "dagster"):
        assert _start(folder, module, "inspect", "--details", module).wait(60) == 0
        assert "working folder" not in (folder / f"{module}.log").read_text()
    assert f"Origin: {PROJECT}/pipeline/storage/paths.py" in (folder / "pipeline.storage.paths.log").read_text()
