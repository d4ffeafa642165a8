"""Killed runs are found by the UI and its daemon, lose their place in the pool and are tried again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.storage.paths import Paths
from tests.end_to_end.graphql import TERMINATE, ask, entries, events, launch, wait_for_status, wait_until
from tests.end_to_end.restartable_ui import RestartableUi, processes_with

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes in /proc")]

LONG_STEPS = 400_000  # longer than any test


@pytest.fixture
def ui(prepared: None, paths: Paths) -> Iterator[RestartableUi]:
    with RestartableUi(paths) as restartable:
        yield restartable


def process_of(run: str) -> int:
    (pid,) = processes_with("api execute_run", run)
    return pid


def checkpoints_of(ui: RestartableUi, partition: str) -> Path:
    return ui.served.paths.training("mnist_mlp", partition) / "checkpoints"


def wait_for_interval(ui: RestartableUi, partition: str) -> None:
    wait_until(lambda: list(checkpoints_of(ui, partition).glob("*/events/member_0")), "the first interval")


def saved_checkpoint(ui: RestartableUi, partition: str, seed: int) -> int:
    """Return the step of the checkpoint that a cancelled run left."""
    run = launch(ui.served, partition, steps=LONG_STEPS, seed=seed)
    wait_for_interval(ui, partition)
    assert ask(ui.served, TERMINATE, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for_status(ui.served, run, "CANCELED")
    (saved,) = checkpoints_of(ui, partition).glob("*/step_*")
    return int(saved.name.removeprefix("step_"))


def test_a_killed_run_frees_its_place_and_its_retry_continues_from_the_checkpoint(ui: RestartableUi) -> None:
    step = saved_checkpoint(ui, "rmsprop", seed=1)
    run = launch(ui.served, "rmsprop", steps=step + 8000, seed=1)
    wait_until(lambda: events(ui.served, run, "ObservationEvent"), "a first observation")
    waiting = launch(ui.served, "adam", steps=2)
    wait_until(lambda: ui.statuses()[waiting] == "QUEUED", "the other run waits for the pool")
    pid = process_of(run)
    assert os.getpgid(pid) == pid, "the run shares its process group"
    os.killpg(pid, signal.SIGKILL)
    wait_for_status(ui.served, run, "FAILURE")
    wait_for_status(ui.served, waiting, "SUCCESS")
    retry = wait_until(lambda: ui.retry_of(run), "the run is tried again")
    wait_for_status(ui.served, retry, "SUCCESS")
    resumed = [entries(event)["resumed_at_step"] for event in events(ui.served, retry, "MaterializationEvent")]
    assert resumed == [step] * 4
    assert any(f"from step {step:,}" in message for message in messages(ui, retry))


def test_a_run_outlives_the_daemon_and_the_next_ui_finds_it_if_it_was_killed_in_between(ui: RestartableUi) -> None:
    run = launch(ui.served, "rmsprop", steps=LONG_STEPS)
    wait_for_interval(ui, "rmsprop")
    pid = process_of(run)
    (daemon,) = set(processes_with("dagster._daemon")) & set(ui.children())
    os.killpg(daemon, signal.SIGKILL)
    assert ui.process.wait(60) == 1
    ui.start()
    assert (ui.statuses()[run], process_of(run)) == ("STARTED", pid)
    ui.kill()
    os.killpg(pid, signal.SIGKILL)
    ui.start()
    wait_for_status(ui.served, run, "FAILURE")
    retry = wait_until(lambda: ui.retry_of(run), "the run is tried again")
    wait_until(lambda: ui.statuses()[retry] == "STARTED", "the retry starts")
    assert ask(ui.served, TERMINATE, run=retry)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for_status(ui.served, retry, "CANCELED")


def test_a_run_that_stops_with_the_ui_continues_from_its_checkpoint_in_the_next_ui(ui: RestartableUi) -> None:
    run = launch(ui.served, "rmsprop", steps=LONG_STEPS)
    wait_for_interval(ui, "rmsprop")
    ui.stop()
    assert not processes_with("api execute_run", run)
    (saved,) = checkpoints_of(ui, "rmsprop").glob("*/step_*")
    ui.start()
    assert ui.statuses()[run] == "FAILURE"
    retry = wait_until(lambda: ui.retry_of(run), "the run goes on")
    step = int(saved.name.removeprefix("step_"))
    wait_until(
        lambda: any(f"from step {step:,}" in message for message in messages(ui, retry)), "it goes on from there"
    )


def messages(ui: RestartableUi, run: str) -> list[str]:
    return [event["message"] for event in events(ui.served, run, "LogMessageEvent")]
