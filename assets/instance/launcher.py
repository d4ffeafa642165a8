"""Launcher: starts each run that the UI queues as a separate process and process group; `dagster.yaml` names it.

Dagster's default launcher runs everything inside the code server, in the process group of the daemon. A run then cannot
be killed without them. If the code server dies, its run can neither be cancelled nor found dead, and it holds its pool
for ever. With this launcher a run survives both. Its process is recorded in a tag (`dead_runs.py`), and Dagster's run
monitoring checks that process, also for runs of `ganforge materialize`.
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
from assets.instance.dead_runs import IN_PROGRESS, dead_run_sentence, is_gone, living_process, process_tag

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
        """The launcher's entry of `dagster.yaml`, for Dagster."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return an empty config schema: there are no options."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003
    ) -> "OwnProcessLauncher":
        """Make the launcher from its entry in `dagster.yaml`. Dagster calls this."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process and tag the run with it, before the process can write to the run."""
        run_id, origin = context.dagster_run.run_id, context.job_code_origin
        if origin is None:
            raise ValueError(
                f"run {run_id}: found no code origin, expected one to start it from; launch it from the UI"
            )
        process = subprocess.Popen(self._command(run_id, origin), stdin=subprocess.DEVNULL, start_new_session=True)
        self._instance.add_run_tags(run_id, process_tag(run_id, process.pid))
        self._collect(process)

    def _command(self, run_id: str, origin: JobPythonOrigin) -> list[str]:
        """Return Dagster's command to execute a run, by this Python: `dagster` may not be on the path."""
        *_, api, execute_run, arguments = ExecuteRunArgs(origin, run_id, self._instance.get_ref()).get_command_args()
        return [sys.executable, "-m", "dagster", api, execute_run, arguments]

    def terminate(self, run_id: str) -> bool:
        """Send SIGINT, upon which the process saves a checkpoint. Return False if there is no process to signal."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        pid = living_process(run)
        if pid is None:
            message = (
                "The run's process is on another machine, has ended, or cannot be identified (no /proc): end it "
                "where it runs, and cancel the run with 'Force termination'"
            )
            self._instance.report_engine_event(message, run, cls=self.__class__)
            return False
        _send(pid, signal.SIGINT)
        threading.Thread(target=self._insist, args=(run_id,), daemon=True).start()
        return True

    def _insist(self, run_id: str) -> None:
        """Repeat the signal, because Python can lose one inside clean-up callbacks (measured: 1 of 4 during start-up).

        After three minutes Dagster would record the run as cancelled and free its slot while it still trains.
        """
        for number in (*[signal.SIGINT] * REMINDERS, signal.SIGKILL):
            time.sleep(REMINDER_SECONDS)
            run = self._instance.get_run_by_id(run_id)
            pid = None if run is None or run.is_finished else living_process(run)
            if pid is None:
                return
            _send(pid, number)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True, so that run monitoring checks runs every `poll_interval_seconds`."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return FAILED if the run's process has certainly ended, else RUNNING."""
        self._collect()
        if is_gone(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, dead_run_sentence(run))
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _collect(self, *started: subprocess.Popen[bytes]) -> None:
        """Collect the child processes that have ended."""
        self._children = [child for child in (*self._children, *started) if child.poll() is None]


def stop_runs(instance: dg.DagsterInstance, timeout_seconds: float) -> dict[str, bool]:
    """Stop this project's queued runs on this machine; each saves a checkpoint first.

    Runs that do not stop in time are killed. They end as failed from outside, so the next daemon retries them and they
    continue from their checkpoints. Returns by run whether it will be retried. A run that was being cancelled is not,
    and none is if `run_retries` of `dagster.yaml` allows none. Runs of other projects in the same instance are left
    alone.
    """
    runs = instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
    queued = [run for run in runs if run.remote_job_origin and is_own_run(run) and living_process(run) is not None]
    is_retried = {run.run_id: _allow_another_try(instance, run) for run in queued}
    living = [run for run in queued if (pid := living_process(run)) is not None and _send(pid, signal.SIGTERM)]
    deadline = time.monotonic() + timeout_seconds
    while any(living_process(run) for run in living) and time.monotonic() < deadline:
        time.sleep(0.1)
    for run in living:
        pid = living_process(run)
        if pid is not None:
            _send(pid, signal.SIGKILL)
    return {run.run_id: is_retried[run.run_id] for run in living}


def _allow_another_try(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Raise the run's retry limit by one, because Dagster counts a retry after a stop like one after a crash.

    Retries inherit the limit. Dagster retries while the group, the first run and its retries, has no more runs than it.
    Return False if the run cannot be retried.
    """
    limit = run.tags.get(MAX_RETRIES_TAG, str(instance.run_retries_max_retries))
    if run.status == dg.DagsterRunStatus.CANCELING or not instance.run_retries_enabled or not limit.isdigit():
        return False
    try:
        group = instance.get_run_group(run.run_id)
    except DagsterRunNotFoundError:  # the first run was deleted, so Dagster retries none of the group
        return False
    if group is None or int(limit) == 0:
        return False
    instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: str(max(int(limit) + 1, len(list(group[1]))))})
    return True


def _send(pid: int, number: signal.Signals) -> bool:
    """Signal a run's process, or kill its whole group. Return False if it has ended or is another user's."""
    try:
        os.killpg(pid, number) if number == signal.SIGKILL else os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
