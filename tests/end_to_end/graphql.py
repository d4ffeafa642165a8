"""GraphQL: the requests of the UI itself, to launch a run, watch it and end it; and waiting for their effect."""

import json
import time
import urllib.request
from typing import Any

import pytest

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
    return {
        entry["label"]: next((value for name, value in entry.items() if name != "label"), None)
        for entry in event["metadataEntries"]
    }
