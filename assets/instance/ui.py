"""UI: the Dagster webserver and daemon as two processes on the loopback interface, until Ctrl-C.

The daemon starts the runs that backfills, schedules and sensors request. The output of both processes goes to
`data/dagster/webserver.log` and `data/dagster/daemon.log`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import dagster as dg

from assets.instance.dead_runs import fail_dead_runs
from assets.instance.home import WORKSPACE, ensure_dagster_home
from assets.instance.launcher import stop_runs
from assets.publishing.settings_versions import observe_settings
from assets.triggers.alerts import UI_VARIABLE
from pipeline.storage.lock import hold_lock
from pipeline.storage.paths import Paths, child_environment

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 10.0
RUN_STOP_TIMEOUT_SECONDS = 30.0  # enough to write a checkpoint
RETRIED = "the next `ganforge ui` tries it again from its checkpoint"
NOT_RETRIED = (
    "it is not tried again (it was being cancelled, or `run_retries` of dagster.yaml allows none); "
    "start it again in the UI to continue from its checkpoint"
)


def serve(port: int) -> int:
    """Start webserver and daemon, print the address once it answers, wait, and stop both. Exit code 0 after Ctrl-C.

    Raises `OSError` if the port is in use, or if another `ganforge ui` serves the same data folder.
    """
    url = f"http://{HOST}:{port}"
    if _is_taken(port):
        raise OSError(
            f"port {port} on {HOST} is in use: if it is this project's UI, open {url}; "
            f"else choose another port: make run PORT={port + 1}, or ganforge ui --port {port + 1}"
        )
    home = ensure_dagster_home()
    with _only_server(home, url):
        return _serve(port, url)


@contextmanager
def _only_server(home: Path, url: str) -> Iterator[None]:
    """Hold the instance's lock, because two daemons would queue, tick and retry everything twice."""
    lock = home / "ui.lock"  # its text names the process that holds it
    with hold_lock(lock, wait=False) as is_held:
        if not is_held:
            raise OSError(
                f"{home} is served by another `ganforge ui` ({lock.read_text().strip() or 'just starting'}): "
                "open that one, or stop it first"
            )
        lock.write_text(f"process {os.getpid()}, {url}\n")
        yield


def _serve(port: int, url: str) -> int:
    os.environ.setdefault(UI_VARIABLE, url)  # alerts link to runs under this address
    with dg.DagsterInstance.get() as instance:
        fail_dead_runs(instance)
        observe_settings(instance)  # edits from now on count as changes
    folder = Paths.default().dagster()  # ganforge's own, also if DAGSTER_HOME is another project's too
    workspace = ["-w", str(folder / WORKSPACE.name)]
    started: dict[str, subprocess.Popen[bytes]] = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        address = ("-h", HOST, "-p", str(port))
        started["webserver"] = _start(folder, "webserver", "dagster_webserver", *address, *workspace)
        started["daemon"] = _start(folder, "daemon", "dagster._daemon", "run", *workspace)
        _wait_for(url, started["webserver"], folder / "webserver.log")
        print(f"Dagster UI: {url}  (assets: {url}/asset-groups)  Ctrl-C stops it.", flush=True)
        return _watch(started, folder)
    except KeyboardInterrupt:
        _stop_runs(started)
        return 0
    finally:
        for process in started.values():
            _stop(process)


def _stop_runs(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """Stop the daemon first, or it would start more runs. Then stop the runs it started; they save a checkpoint."""
    if "daemon" in started:
        _stop(started["daemon"])
    with dg.DagsterInstance.get() as instance:
        for run_id, is_retried in stop_runs(instance, RUN_STOP_TIMEOUT_SECONDS).items():
            print(f"run {run_id} stopped: {RETRIED if is_retried else NOT_RETRIED}", flush=True)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _start(folder: Path, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module as a separate process group. Ctrl-C reaches only this process, which then stops the group.

    Its working folder is `folder`, and so is that of the code servers and runs that it starts. Python looks for modules
    there first (see `child_environment`), so no other project may keep files there.
    """
    command = [sys.executable, "-m", module, *arguments]
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=child_environment(), stdout=log, stderr=log, start_new_session=True
        )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for(url: str, webserver: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if webserver.poll() is not None:
            raise OSError(f"the Dagster webserver stopped with exit code {webserver.returncode}; see {log_path}")
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2.0):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise OSError(f"the Dagster webserver did not answer within {START_TIMEOUT_SECONDS:g} seconds; see {log_path}")


def _watch(processes: dict[str, subprocess.Popen[bytes]], folder: Path) -> int:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise OSError(f"the Dagster {name} stopped with code {process.returncode}; see {folder}/{name}.log")
        time.sleep(1.0)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the process group, and SIGKILL if it does not end in time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_TIMEOUT_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
