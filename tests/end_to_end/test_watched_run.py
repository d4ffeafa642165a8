"""A run that the UI started, watched and cancelled through the GraphQL that the UI itself speaks."""

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.storage.artefact import read_artefact
from tests.end_to_end.conftest import Served

OUTPUTS = ("generator", "discriminator", "history", "snapshots")
TIMEOUT_SECONDS = 180
LAUNCH = """mutation($e: ExecutionParams!) { launchRun(executionParams: $e) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
LAUNCH_AGAIN = """mutation($run: String!) {
    launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
EVENTS = """query($run: ID!) { logsForRun(runId: $run, limit: 5000) { ... on EventConnection { events {
    __typename ... on MessageEvent { timestamp message }
    ... on ObservationEvent { assetKey { path } partition metadataEntries { label
        ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue }
        ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } } }
    ... on MaterializationEvent { assetKey { path } partition metadataEntries { label
        ... on IntMetadataEntry { intValue } } }
    ... on AssetCheckEvaluationEvent { evaluation { checkName success severity } } } } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"


def ask(served: Served, query: str, **variables: Any) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{served.url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answered: dict[str, Any] = json.load(answer)
    assert "errors" not in answered, answered
    return answered["data"]  # type: ignore[no-any-return]


def launch(served: Served, partition: str, **config: Any) -> str:
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "ganforge",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": ["mnist_mlp", name]} for name in OUTPUTS],
        "assetCheckSelection": None,
    }
    execution = {
        "selector": selector,
        "mode": "default",
        "runConfigData": {"ops": {"mnist_mlp__training": {"config": {"members": 1, **config}}}},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
    }
    launched = ask(served, LAUNCH, e=execution)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def events(served: Served, run: str, kind: str) -> list[dict[str, Any]]:
    messages = ask(served, EVENTS, run=run)["logsForRun"]["events"]
    return [event for event in messages if event["__typename"] == kind]


def wait_until(condition: Any, what: str) -> Any:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.3)
    pytest.fail(f"{what}: not within {TIMEOUT_SECONDS} seconds")


def wait_for_status(served: Served, run: str, wanted: str) -> None:
    def ended() -> str | None:
        status = ask(served, STATUS, run=run)["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert wait_until(ended, f"run {run} ends") == wanted, events(served, run, "ExecutionStepFailureEvent")


def entries(event: dict[str, Any]) -> dict[str, Any]:
    return {entry.pop("label"): next(iter(entry.values()), None) for entry in event["metadataEntries"]}


@dataclass(frozen=True)
class Resumed:
    """A run that was terminated while it trained, and the run that continued it."""

    terminated: str
    observed: list[dict[str, Any]]  # before it was terminated
    step: int  # the checkpoint that it left
    again: str


def terminate_and_execute_again(served: Served, processes: int) -> Resumed:
    """Send *Terminate* after two observations, then *Re-execute*, with the requests of the UI."""
    run = launch(served, "rmsprop", steps=3000, seed=processes, processes=processes)
    checkpoints = served.paths.training("mnist_mlp", "rmsprop") / "checkpoints"
    before = set(checkpoints.glob("*/step_*")) if checkpoints.exists() else set()
    observed = wait_until(lambda: events(served, run, "ObservationEvent")[1:], "a second observation")
    assert not events(served, run, "MaterializationEvent"), "the first observation came after the materialization"
    assert ask(served, TERMINATE, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for_status(served, run, "CANCELED")
    (saved,) = set(checkpoints.glob("*/step_*")) - before
    again = ask(served, LAUNCH_AGAIN, run=run)["launchRunReexecution"]
    assert again["__typename"] == "LaunchRunSuccess", again
    wait_for_status(served, again["run"]["runId"], "SUCCESS")
    return Resumed(run, observed, int(saved.name.removeprefix("step_")), again["run"]["runId"])


def expect_to_continue(served: Served, resumed: Resumed) -> None:
    assert entries(resumed.observed[-1])["step"] <= resumed.step < 3000
    made = events(served, resumed.again, "MaterializationEvent")
    assert [entries(event)["resumed_at_step"] for event in made] == [resumed.step] * len(OUTPUTS)


@pytest.fixture(scope="module")
def resumed(served: Served) -> Resumed:
    return terminate_and_execute_again(served, processes=1)


def test_a_run_is_observed_while_it_trains_and_warns_of_the_cpu(served: Served, resumed: Resumed) -> None:
    shown = entries(events(served, resumed.terminated, "ObservationEvent")[0])
    assert 0 < shown["step"] < 3000
    for name in ("discriminator_output_real", "discriminator_output_generated", "discriminator_accuracy"):
        assert 0 <= shown[name] <= 1
    for name in ("generator_loss", "generator_gradient_norm", "images_per_second", "memory_mib"):
        assert shown[name] > 0
    assert shown["thumbnail"].startswith("![")
    observed, made = (events(served, resumed.again, kind) for kind in ("ObservationEvent", "MaterializationEvent"))
    assert len(observed) >= 3
    assert {event["partition"] for event in observed} == {"rmsprop"}
    assert max(int(event["timestamp"]) for event in observed) <= min(int(event["timestamp"]) for event in made)
    checks = [event["evaluation"] for event in events(served, resumed.again, "AssetCheckEvaluationEvent")]
    assert {"checkName": "trained_on_gpu", "success": False, "severity": "WARN"} in checks


def test_a_run_terminated_after_observations_continues_from_where_it_was(served: Served, resumed: Resumed) -> None:
    expect_to_continue(served, resumed)


@pytest.mark.slow
def test_a_terminated_run_of_two_processes_continues_from_where_it_was(served: Served) -> None:
    expect_to_continue(served, terminate_and_execute_again(served, processes=2))


@pytest.mark.slow
def test_a_job_of_the_ui_makes_the_presets_partition(served: Served) -> None:
    """Launch a job as the Launchpad does: by its name, without a partition."""
    selector = {"repositoryName": "__repository__", "repositoryLocationName": "ganforge", "jobName": "notebook"}
    ops = {
        "mnist_mlp__training": {"config": {"steps": 2, "members": 1}},
        "mnist_mlp__samples": {"config": {"images": 60}},
    }
    execution = {"selector": selector, "mode": "default", "runConfigData": {"ops": ops}}
    launched = ask(served, LAUNCH, e=execution)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]
    wait_for_status(served, run, "SUCCESS")
    made = {
        ("/".join(event["assetKey"]["path"]), event["partition"])
        for event in events(served, run, "MaterializationEvent")
    }
    assert ("mnist_mlp/report", "adam_ttur") in made
    assert ("mnist_mlp/comparison", None) in made
    assert {partition for asset, partition in made if asset.startswith("mnist/")} == {None}
    assert read_artefact(served.paths.training("mnist_mlp", "adam_ttur")) is not None
