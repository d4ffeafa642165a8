"""Launcher: each run that the UI queues is a process, and a process group, of its own; `dagster.yaml` names it.

Dagster's default launcher leaves runs to the code server, in the process group of the daemon: a run cannot be killed
without them, and one whose code server is gone can neither be cancelled nor found dead, since that launcher does not
look; it then holds its pool for ever. Here a run outlives both, its process is named in a tag (`dead_runs.py`), and
Dagster's run monitoring asks after it, also after that of a run of `ganforge materialize`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterRunNotFoundError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.origin import JobPythonOrigin
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from assets.graph.ownership import is_own_run
from assets.instance.dead_runs import IN_PROGRESS, is_gone, living_process, process_tag, told

REMINDER_SECONDS = 15.0  # longer than a checkpoint takes
REMINDERS = 6


class OwnProcessLauncher(RunLauncher, ConfigurableClass):
    """Starts `dagster api execute_run`, with the daemon's environment and output."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._children: list[subprocess.Popen[bytes]] = []
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """As Dagster keeps it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003
    ) -> "OwnProcessLauncher":
        """As Dagster makes it from `dagster.yaml`."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the process and name it in the run's tag, before it has imported anything that writes to the run."""
        run_id, origin = context.dagster_run.run_id, context.job_code_origin
        if origin is None:
            raise ValueError(
                f"run {run_id}: found no code origin, expected one to start it from; launch it from the UI"
            )
        process = subprocess.Popen(self._command(run_id, origin), stdin=subprocess.DEVNULL, start_new_session=True)
        self._instance.add_run_tags(run_id, process_tag(run_id, process.pid))
        self._collect(process)

    def _command(self, run_id: str, origin: JobPythonOrigin) -> list[str]:
        """What Dagster would start, by this Python: `dagster` is on nobody's path where no environment is active."""
        *_, api, execute_run, arguments = ExecuteRunArgs(origin, run_id, self._instance.get_ref()).get_command_args()
        return [sys.executable, "-m", "dagster", api, execute_run, arguments]

    def terminate(self, run_id: str) -> bool:
        """Ask the process to stop, as Ctrl-C does: it saves a checkpoint. False where there is none to ask."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        pid = living_process(run)
        if pid is None:
            message = (
                "The run's process is not on this machine, gone, or not certainly the run's (no /proc): end it "
                "yourself where it runs, and cancel the run with 'Force termination'"
            )
            self._instance.report_engine_event(message, run, cls=self.__class__)
            return False
        _send(pid, signal.SIGINT)
        threading.Thread(target=self._insist, args=(run_id,), daemon=True).start()
        return True

    def _insist(self, run_id: str) -> None:
        """Ask again: a signal can be lost where Python calls back from clean-up (measured: 1 of 4 during start-up).

        Dagster would call the run cancelled after three minutes and give its place on, while it trains on.
        """
        for wanted in (*[signal.SIGINT] * REMINDERS, signal.SIGKILL):
            time.sleep(REMINDER_SECONDS)
            run = self._instance.get_run_by_id(run_id)
            pid = None if run is None or run.is_finished else living_process(run)
            if pid is None:
                return
            _send(pid, wanted)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks, every `poll_interval_seconds`."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where the run's process is certainly gone."""
        self._collect()
        if is_gone(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, told(run))
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _collect(self, *started: subprocess.Popen[bytes]) -> None:
        """Let go of the children that have ended."""
        self._children = [child for child in (*self._children, *started) if child.poll() is None]


def stop_runs(instance: dg.DagsterInstance, timeout_seconds: float) -> dict[str, bool]:
    """Ask this project's runs that the UI queued and that run on this machine to save a checkpoint and stop.

    Runs that do not stop in time are killed. They end as failed from outside, so that the next daemon tries them again
    and they go on from there. Returns by run whether it will: not one that was being cancelled, nor any where
    `run_retries` of `dagster.yaml` allows none. Runs of other projects in the same instance are left alone.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
    queued = [run for run in runs if run.remote_job_origin and is_own_run(run) and living_process(run) is not None]
    tried_again = {run.run_id: _allow_another_try(instance, run) for run in queued}
    living = [run for run in queued if (pid := living_process(run)) is not None and _send(pid, signal.SIGTERM)]
    deadline = time.monotonic() + timeout_seconds
    while any(living_process(run) for run in living) and time.monotonic() < deadline:
        time.sleep(0.1)
    for run in living:
        pid = living_process(run)
        if pid is not None:
            _send(pid, signal.SIGKILL)
    return {run.run_id: tried_again[run.run_id] for run in living}


def _allow_another_try(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Raise the run's own limit by one: Dagster counts a try after a stop like one after a crash. Retries inherit it.

    It allows a try while the runs of the group, the first and its retries, are no more than the limit.
    """
    limit = run.tags.get(MAX_RETRIES_TAG, str(instance.run_retries_max_retries))
    if run.status == dg.DagsterRunStatus.CANCELING or not instance.run_retries_enabled or not limit.isdigit():
        return False
    try:
        group = instance.get_run_group(run.run_id)
    except DagsterRunNotFoundError:  # the first run was deleted: Dagster then tries none of the others again
        return False
    if group is None or int(limit) == 0:
        return False
    instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: str(max(int(limit) + 1, len(list(group[1]))))})
    return True


def _send(pid: int, wanted: signal.Signals) -> bool:
    """Signal a run's process, or kill its whole group. False where it has just ended, or is another user's."""
    try:
        os.killpg(pid, wanted) if wanted == signal.SIGKILL else os.kill(pid, wanted)
    except (ProcessLookupError, PermissionError):
        return False
    return True
