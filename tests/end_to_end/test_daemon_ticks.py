"""Automation under a real daemon, started by `ganforge ui`: a tick of a schedule and an evaluation of a sensor."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pipeline.reports import store
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import PROJECT, Paths
from tests.end_to_end.conftest import COMMAND, Served, wait_for
from tests.end_to_end.graphql import ask

pytestmark = pytest.mark.slow

TIMEOUT_SECONDS = 420
OPERATIONS = """
[retraining]
cron = "* * * * *"
recipes = ["mnist_mlp"]
optimizers = ["sgd_adam", "sgd"]
steps = 2
members = 1
samples = 60
"""
SENSED = OPERATIONS.replace('["sgd_adam", "sgd"]', "[]") + "\n[configurations]\ninterval_seconds = 5\n"
MINE = '[mine]\nboth = { kind = "sgd", learning_rate = 0.1 }\n'
SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "ganforge"}
START_SCHEDULE = """mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) {
    __typename ... on ScheduleStateResult { scheduleState { id } } ... on PythonError { message } } }"""
STOP_SCHEDULE = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
START_SENSOR = """mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) {
    __typename ... on Sensor { sensorState { id status } } ... on PythonError { message } } }"""
TICKS = """query($s: InstigationSelector!) { instigationStateOrError(instigationSelector: $s) {
    ... on InstigationState { ticks(limit: 5) { timestamp status skipReason runIds error { message } } } } }"""
RUNS = """query($key: String!, $value: String!) { runsOrError(filter: { tags: [{ key: $key, value: $value }] }) {
    ... on Runs { results { runId status jobName tags { key value } } } } }"""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Automated:
    """A running UI and daemon over a separate data folder."""

    url: str
    paths: Paths
    environment: dict[str, str]
    optimizers: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return ask(Served(self.url, self.paths), query, **variables)

    def runs(self, key: str, value: str) -> list[dict[str, Any]]:
        runs = self.ask(RUNS, key=key, value=value)["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def ticks(self, name: str) -> list[dict[str, Any]]:
        state = self.ask(TICKS, s={**SELECTOR, "name": name})["instigationStateOrError"]
        return state["ticks"]  # type: ignore[no-any-return]

    def ended(self, key: str, value: str) -> dict[str, Any]:
        """Wait for the end of the run with this tag and return it."""

        def ended_run() -> dict[str, Any] | None:
            over = [run for run in self.runs(key, value) if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]
            return over[0] if over else None

        return wait_until(ended_run, f"a run with {key}={value} ends")


def wait_until(condition: Callable[[], Found | None], what: str) -> Found:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(1.0)
    pytest.fail(f"{what}: not within {TIMEOUT_SECONDS} seconds")


@pytest.fixture
def serve(prepared_once: Paths, small_mnist: Path, tmp_path: Path) -> Iterator[Callable[[str], Automated]]:
    """Start UI and daemon with these settings of operations."""
    data, optimizers = tmp_path / "own", tmp_path / "optimizers.toml"
    shutil.copytree(prepared_once.root, data)
    optimizers.write_text("")
    settings = {
        "GANFORGE_DATA": str(data),
        "GANFORGE_MNIST": str(small_mnist),
        "GANFORGE_OPTIMIZERS": str(optimizers),
        "GANFORGE_OPERATIONS": str(tmp_path / "operations.toml"),
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GANFORGE_", "DAGSTER_"))}
    started: list[subprocess.Popen[bytes]] = []

    def start(operations: str) -> Automated:
        (tmp_path / "operations.toml").write_text(operations)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**inherited, **settings}
        server = subprocess.Popen([*COMMAND, "ui", "--port", str(port)], cwd=PROJECT, env=environment)
        started.append(server)
        wait_for(f"http://127.0.0.1:{port}/server_info", server)
        return Automated(f"http://127.0.0.1:{port}", Paths(data), environment, optimizers)

    yield start
    for server in started:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def test_a_daemon_executes_a_tick_of_the_schedule_end_to_end(serve: Callable[[str], Automated]) -> None:
    automated = serve(OPERATIONS)
    assert automated.ticks("mnist_mlp_retraining") == [], "it is off until it is switched on"
    selector = {**SELECTOR, "scheduleName": "mnist_mlp_retraining"}
    started = automated.ask(START_SCHEDULE, s=selector)["startSchedule"]
    assert started["__typename"] == "ScheduleStateResult", started
    wait_until(lambda: automated.runs("ganforge/recipe", "mnist_mlp"), "the first tick")
    automated.ask(STOP_SCHEDULE, id=started["scheduleState"]["id"])
    run = automated.ended("ganforge/recipe", "mnist_mlp")
    assert (run["status"], run["jobName"]) == ("SUCCESS", "mnist_mlp_retraining")

    (tick,) = [tick for tick in automated.ticks("mnist_mlp_retraining") if run["runId"] in tick["runIds"]]
    assert (tick["status"], len(tick["runIds"])) == ("SUCCESS", 1)
    seed = int(tick["timestamp"]) // 60
    assert run["tags"]["ganforge/seed"] == str(seed)
    for optimizer in ("sgd_adam", "sgd"):
        artefact = read_artefact(automated.paths.training("mnist_mlp", optimizer))
        assert artefact is not None
        assert (artefact.details["seed"], artefact.details["steps"]) == (seed, 2)
        report = store.latest(automated.paths.reports(), "mnist_mlp", optimizer)
        assert report is not None
        assert (report.seed, report.run_id) == (seed, run["runId"])
    assert read_artefact(automated.paths.comparison("mnist_mlp")) is not None


def test_a_configuration_added_while_the_daemon_runs_is_trained_by_itself(serve: Callable[[str], Automated]) -> None:
    """The daemon loads the tables again within a minute or so, without Reload being pressed."""
    automated = serve(SENSED)
    chain = ["materialize", "mnist_mlp", "--optimizer", "sgd", "--steps", "2", "--members", "1", "--samples", "60"]
    subprocess.run(
        [*COMMAND, *chain], cwd=PROJECT, env=automated.environment, check=True, timeout=300, capture_output=True
    )
    started = automated.ask(START_SENSOR, s={**SELECTOR, "sensorName": "configurations"})["startSensor"]
    assert started["__typename"] == "Sensor", started
    wait_until(lambda: automated.ticks("configurations"), "the first look")
    automated.optimizers.write_text(MINE)
    run = automated.ended("ganforge/optimizers", "mine")
    assert (run["status"], run["jobName"]) == ("SUCCESS", "mnist_mlp_retraining")
    artefact = read_artefact(automated.paths.training("mnist_mlp", "mine"))
    assert artefact is not None
    assert (artefact.details["seed"], artefact.details["steps"]) == (0, 2)
    assert store.latest(automated.paths.reports(), "mnist_mlp", "mine") is not None
