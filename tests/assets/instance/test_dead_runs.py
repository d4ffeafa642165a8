"""Dead runs are distinguished from living ones, with processes that are really killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.tags import MAX_RETRIES_TAG, PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG, WILL_RETRY_TAG

from assets.graph.run_tags import PROCESS_TAG
from assets.instance import dead_runs as abandoned
from assets.instance import launcher
from assets.instance.dead_runs import (
    fail_dead_runs,
    is_gone,
    living_process,
    process_tag,
    read_mark,
)
from assets.instance.home import TEMPLATE
from assets.instance.launcher import OwnProcessLauncher, stop_runs
from pipeline.storage.paths import PROJECT
from tests.assets.origins import FOREIGN, OWN, job_origin

SLEEP = "import time; print(1, flush=True); time.sleep(60)"
FORGETFUL = """
import os, signal
def once(*_: object) -> None:
    signal.signal(signal.SIGINT, lambda *_: os._exit(5))
signal.signal(signal.SIGINT, once)
"""
HELD = """
import os, time
import dagster as dg
from assets.instance.dead_runs import process_tag

@dg.asset(pool="gpu")
def held() -> None:
    print(1, flush=True)
    time.sleep(60)

job = dg.Definitions(assets=[held]).resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    job.execute_in_process(instance=instance, run_id="{run}", tags=process_tag("{run}"))
"""


@dg.asset
def nothing() -> None:
    """An asset that no test makes; its runs are only recorded."""


JOB = dg.Definitions(assets=[nothing]).resolve_implicit_global_asset_job_def()
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python process and wait for its first output; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_one(code: str = SLEEP) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def run_of(
    instance: dg.DagsterInstance,
    pid: int | None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    queued_by: tuple[str, str] | None = None,
) -> dg.DagsterRun:
    """A run in progress, executed by a process, and queued by the UI of a code location where one is named."""
    origin = None if queued_by is None else job_origin(*queued_by)
    run = instance.create_run_for_job(JOB, status=status, remote_job_origin=origin)
    if pid is not None:
        instance.add_run_tags(run.run_id, process_tag(run.run_id, pid))
    return again(instance, run)


def again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    stored_run = instance.get_run_by_id(run.run_id)
    assert stored_run is not None
    return stored_run


@pytest.mark.parametrize("collected", [True, False], ids=["collected", "zombie"])
def test_a_run_with_a_killed_process_is_failed_and_its_message_names_the_next_step(
    instance: dg.DagsterInstance, start: Start, collected: bool
) -> None:
    process = start()
    run = run_of(instance, process.pid)
    assert living_process(run) == process.pid
    assert fail_dead_runs(instance) == []
    assert again(instance, run).status == dg.DagsterRunStatus.STARTED
    process.kill()
    if collected:
        process.wait()
    else:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert living_process(run) is None
    assert fail_dead_runs(instance) == [run.run_id]
    assert again(instance, run).status == dg.DagsterRunStatus.FAILURE
    (said,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert said.dagster_event is not None
    assert f"process {process.pid} ended without a message" in str(said.dagster_event.message)
    assert "training continues from its last checkpoint" in str(said.dagster_event.message)
    assert fail_dead_runs(instance) == []


def test_a_killed_command_gives_its_slot_back(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command runs in process, like `ganforge materialize`; slots are counted per step here."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(TEMPLATE.read_text().replace("granularity: run", "granularity: op"))
    run_id = "6e2f8b4c-0000-4000-8000-000000000001"
    process = start(HELD.format(run=run_id))
    with dg.DagsterInstance.get() as instance:
        assert fail_dead_runs(instance) == []
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 1
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert fail_dead_runs(instance) == [run_id]
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE


def test_a_run_that_was_to_be_cancelled_is_cancelled(instance: dg.DagsterInstance, start: Start) -> None:
    process = start()
    run = run_of(instance, process.pid, dg.DagsterRunStatus.CANCELING)
    process.kill()
    process.wait()
    assert fail_dead_runs(instance) == [run.run_id]
    assert again(instance, run).status == dg.DagsterRunStatus.CANCELED


def test_a_dead_run_of_another_project_in_the_same_instance_is_left_alone(
    instance: dg.DagsterInstance, start: Start
) -> None:
    process = start()
    foreign = run_of(instance, process.pid, queued_by=FOREIGN)
    own_run = run_of(instance, process.pid, queued_by=OWN)
    process.kill()
    process.wait()
    assert is_gone(foreign)
    assert fail_dead_runs(instance) == [own_run.run_id]
    assert again(instance, foreign).status == dg.DagsterRunStatus.STARTED


def changed(run: dg.DagsterRun, place: int, value: str) -> dg.DagsterRun:
    """The run with another value in its tag: run, process, start, boot, namespace, host."""
    fields = run.tags[PROCESS_TAG].split(" ")
    fields[place] = value
    return run.with_tags({PROCESS_TAG: " ".join(fields)})


def test_another_process_of_the_same_number_is_not_the_runs(instance: dg.DagsterInstance) -> None:
    run = run_of(instance, os.getpid())
    assert not is_gone(run)
    assert is_gone(changed(run, 2, "1"))
    assert is_gone(changed(run, 3, "another-boot"))


def test_runs_of_another_machine_are_not_judged_and_no_run_survives_a_reboot(
    instance: dg.DagsterInstance,
) -> None:
    run = changed(run_of(instance, os.getpid()), 3, "another-boot")
    assert is_gone(run)
    assert not is_gone(changed(run, 5, "elsewhere"))
    assert not is_gone(changed(run, 3, "-"))


def test_a_machine_that_was_renamed_still_finds_its_runs(instance: dg.DagsterInstance, start: Start) -> None:
    process = start()
    run = changed(run_of(instance, process.pid), 5, "its-old-name")
    assert living_process(run) == process.pid
    process.kill()
    process.wait()
    assert is_gone(run)


@pytest.mark.parametrize(("place", "value"), [(0, "another-run"), (1, "none"), (4, "1")])
def test_a_run_that_cannot_be_judged_from_here_counts_as_alive_and_is_not_signalled(
    instance: dg.DagsterInstance, start: Start, place: int, value: str
) -> None:
    process = start()
    run = run_of(instance, process.pid)
    process.kill()
    process.wait()
    assert is_gone(run)
    assert not is_gone(changed(run, place, value))
    assert living_process(changed(run, place, value)) is None


@pytest.mark.parametrize("tags", [{}, {PROCESS_TAG: ""}, {PROCESS_TAG: "a b"}])
def test_a_run_without_a_sound_tag_is_left_alone(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    run = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    instance.add_run_tags(run.run_id, tags)
    assert read_mark(again(instance, run)) is None
    assert fail_dead_runs(instance) == []


def test_without_proc_a_gone_process_is_detected_and_a_living_one_is_not_signalled(
    instance: dg.DagsterInstance, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "PROCESSES", tmp_path)
    monkeypatch.setattr(abandoned, "BOOT", tmp_path / "boot_id")
    process = start()
    run = run_of(instance, process.pid)
    assert run.tags[PROCESS_TAG].split(" ")[2:5] == ["-", "-", "-"]
    assert living_process(run) is None
    assert not is_gone(run)
    process.kill()
    process.wait()
    assert is_gone(run)
    assert not is_gone(changed(run, 5, "elsewhere"))


def test_a_run_that_ended_while_it_was_looked_at_is_left_alone(
    instance: dg.DagsterInstance, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start()
    run = run_of(instance, process.pid)
    process.kill()
    process.wait()

    def ends_meanwhile(looked_at: dg.DagsterRun) -> bool:
        instance.report_dagster_event(
            dg.DagsterEvent("PIPELINE_SUCCESS", looked_at.job_name, message="made"), looked_at.run_id
        )
        return True

    monkeypatch.setattr(abandoned, "is_gone", ends_meanwhile)
    assert fail_dead_runs(instance) == []
    assert again(instance, run).status == dg.DagsterRunStatus.SUCCESS


def test_run_monitoring_learns_of_dead_runs_from_the_launcher(instance: dg.DagsterInstance, start: Start) -> None:
    watching, process = OwnProcessLauncher(), start()
    run = run_of(instance, process.pid)
    assert watching.supports_check_run_worker_health
    assert watching.check_run_worker_health(run).status == WorkerStatus.RUNNING
    assert watching.check_run_worker_health(run_of(instance, None)).status == WorkerStatus.RUNNING
    process.kill()
    process.wait()
    health = watching.check_run_worker_health(run)
    assert health.status == WorkerStatus.FAILED
    assert "ended without a message" in str(health.msg)


def test_a_run_is_started_by_this_python_since_dagster_may_not_be_on_the_path(tmp_path: Path) -> None:
    of_definitions = RepositoryPythonOrigin("/elsewhere/bin/python", ModuleCodePointer("assets.definitions", "defs"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        starting = OwnProcessLauncher()
        starting.register_instance(instance)
        *command, arguments = starting._command("a-run", JobPythonOrigin("notebook", of_definitions))
    assert command == [sys.executable, "-m", "dagster", "api", "execute_run"]
    assert "a-run" in arguments


def test_the_message_on_a_run_that_cannot_be_signalled_names_the_way_to_cancel_it(instance: dg.DagsterInstance) -> None:
    asking = OwnProcessLauncher()
    asking.register_instance(instance)
    run = run_of(instance, None)
    assert not asking.terminate(run.run_id)
    assert again(instance, run).status == dg.DagsterRunStatus.CANCELING
    assert any("Force termination" in entry.message for entry in instance.all_logs(run.run_id))


def test_a_run_that_has_ended_gets_no_signal(instance: dg.DagsterInstance, start: Start) -> None:
    asking, process = OwnProcessLauncher(), start()
    asking.register_instance(instance)
    run = run_of(instance, process.pid, dg.DagsterRunStatus.SUCCESS)
    assert not asking.terminate(run.run_id)
    assert again(instance, run).status == dg.DagsterRunStatus.SUCCESS
    assert process.poll() is None


@pytest.mark.parametrize("reason", [ProcessLookupError, PermissionError])
def test_a_process_that_cannot_be_signalled_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, reason: type[OSError]
) -> None:
    def refuse(*_: object) -> None:
        raise reason

    monkeypatch.setattr(os, "kill", refuse)
    assert not launcher._send(os.getpid(), signal.SIGTERM)


def test_a_run_that_misses_the_signal_gets_it_again_and_is_killed_in_the_end(
    instance: dg.DagsterInstance, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "REMINDER_SECONDS", 0.05)
    monkeypatch.setattr(launcher, "REMINDERS", 2)
    asking = OwnProcessLauncher()
    asking.register_instance(instance)
    forgetful = start(FORGETFUL + SLEEP)
    deaf = start("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " + SLEEP)
    for process in (forgetful, deaf):
        assert asking.terminate(run_of(instance, process.pid).run_id)
    assert forgetful.wait(60) == 5
    assert deaf.wait(60) == -signal.SIGKILL


def test_stopping_signals_only_queued_runs_and_kills_those_that_ignore_it(
    instance: dg.DagsterInstance, start: Start
) -> None:
    deaf = start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP)
    # a suite started in the background ignores SIGINT, and Dagster makes SIGTERM alike: children inherit it
    polite = start("import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); " + SLEEP)
    of_a_command, of_another_project = start(), start()
    queued = {run_of(instance, process.pid, queued_by=OWN).run_id for process in (deaf, polite)}
    run_of(instance, of_a_command.pid)
    run_of(instance, of_another_project.pid, queued_by=FOREIGN)
    assert set(stop_runs(instance, 3.0)) == queued
    assert (deaf.wait(), polite.wait()) == (-signal.SIGKILL, -signal.SIGTERM)
    assert of_a_command.poll() is None
    assert of_another_project.poll() is None
    assert stop_runs(instance, 0.5) == {}


@pytest.fixture
def retrying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the template's settings."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(TEMPLATE.read_text())
    with dg.DagsterInstance.get() as made:
        yield made


def stop_queued(instance: dg.DagsterInstance) -> dict[str, bool]:
    """Stop the runs and treat all as queued by the UI."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterRun, "remote_job_origin", property(lambda _: job_origin(*OWN)))
        return stop_runs(instance, 60.0)


def retried(instance: dg.DagsterInstance, run: dg.DagsterRun, pid: int) -> dg.DagsterRun:
    """Create the next run of a group like Dagster's daemon: it inherits the tags that a user may set."""
    tags = {tag: run.tags[tag] for tag in (MAX_RETRIES_TAG,) if tag in run.tags}
    first = run.root_run_id or run.run_id
    tags |= {PARENT_RUN_ID_TAG: run.run_id, ROOT_RUN_ID_TAG: first}
    made = instance.create_run_for_job(
        JOB, status=dg.DagsterRunStatus.STARTED, tags=tags, parent_run_id=run.run_id, root_run_id=first
    )
    instance.add_run_tags(made.run_id, process_tag(made.run_id, pid))
    return again(instance, made)


def test_a_run_is_retried_after_each_stop_and_still_once_after_a_crash(
    retrying: dg.DagsterInstance, start: Start
) -> None:
    run = run_of(retrying, start().pid)
    for _ in range(3):
        assert stop_queued(retrying) == {run.run_id: True}
        assert wait_and_fail(retrying, run)
        run = retried(retrying, again(retrying, run), start().pid)
    kill(run)
    assert wait_and_fail(retrying, run)
    run = retried(retrying, again(retrying, run), start().pid)
    kill(run)
    assert not wait_and_fail(retrying, run)


def kill(run: dg.DagsterRun) -> None:
    pid = living_process(run)
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)


def wait_and_fail(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Fail the run and return whether Dagster will try it again."""
    deadline = time.monotonic() + 60.0
    while living_process(run) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert fail_dead_runs(instance) == [run.run_id]
    return again(instance, run).tags[WILL_RETRY_TAG] == "true"


def test_stopping_names_the_runs_that_are_not_retried(retrying: dg.DagsterInstance, start: Start) -> None:
    cancelled = run_of(retrying, start().pid, dg.DagsterRunStatus.CANCELING)
    never = run_of(retrying, start().pid)
    retrying.add_run_tags(never.run_id, {MAX_RETRIES_TAG: "0"})
    assert stop_queued(retrying) == {cancelled.run_id: False, never.run_id: False}
    assert set(fail_dead_runs(retrying)) == {cancelled.run_id, never.run_id}
    assert again(retrying, cancelled).status == dg.DagsterRunStatus.CANCELED
    assert again(retrying, never).tags[WILL_RETRY_TAG] == "false"
