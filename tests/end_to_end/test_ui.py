"""The UI over the demo: its pages in headless Chromium, and runs that it starts, watches and cancels."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.storage.artefact import read_artefact
from tests.end_to_end.conftest import Served
from tests.end_to_end.graphql import (
    LAUNCH,
    LAUNCH_AGAIN,
    OUTPUTS,
    TERMINATE,
    ask,
    entries,
    events,
    launch,
    wait_for_status,
    wait_until,
)

# ---------------------------------------------------------------------------------------------------------------------
# Pages, compared as pictures and as text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,1000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)

ATTEMPTS = 3


def browse(url: str, profile: Path, *arguments: str) -> str:
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=20000", *arguments, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def missing_words(url: str, profile: Path, expected: list[str]) -> list[str]:
    """Return the words missing from a page after a second load; a busy machine may not fill it the first time."""
    missing = expected
    for _ in range(ATTEMPTS):
        text = browse(url, profile, "--dump-dom")
        missing = [word for word in expected if word not in text]
        if not missing:
            break
    return missing


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
@pytest.mark.parametrize(
    ("name", "page", "expected"),
    [
        ("asset_graph", "/asset-groups", ["raw", "tensors", "training", "samples", "reports", "comparison"]),
        (
            "asset_page",
            "/assets/mnist_mlp/samples?partition=rmsprop&view=partitions",
            ["rmsprop", "images_a_member", "preview"],
        ),
        ("comparison", "/assets/mnist_mlp/comparison", ["ranking", "rmsprop", "Fréchet distance"]),
    ],
)
def test_a_person_sees_the_page(served: Served, tmp_path: Path, name: str, page: str, expected: list[str]) -> None:
    assert missing_words(served.url + page, tmp_path, expected) == []
    screenshots = Path(os.environ.get("GANFORGE_SCREENSHOTS") or tmp_path).resolve()
    screenshots.mkdir(parents=True, exist_ok=True)
    picture = screenshots / f"{name}.png"
    browse(served.url + page, tmp_path, f"--screenshot={picture}")
    with Image.open(picture) as shot:
        levels = np.asarray(shot.convert("L"))
    assert levels.shape == (1000, 1400)
    assert (levels < 128).mean() > 0.002  # an empty page has no ink


# ---------------------------------------------------------------------------------------------------------------------
# Runs


@dataclass(frozen=True)
class ResumedRun:
    """A run that was terminated while it trained, and the run that continued it."""

    first_run_id: str
    observations: list[dict[str, Any]]  # before it was terminated
    checkpoint_step: int
    second_run_id: str


def terminate_and_execute_again(served: Served, processes: int) -> ResumedRun:
    """Send *Terminate* after two observations, then *Re-execute*, with the requests of the UI."""
    run = launch(served, "rmsprop", steps=3000, seed=processes, processes=processes)
    checkpoints = served.paths.training("mnist_mlp", "rmsprop") / "checkpoints"
    before = set(checkpoints.glob("*/step_*")) if checkpoints.exists() else set()
    observed = wait_until(lambda: events(served, run, "ObservationEvent")[1:], "a second observation")
    assert not events(served, run, "MaterializationEvent"), "the second observation came after the materialization"
    assert ask(served, TERMINATE, run=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for_status(served, run, "CANCELED")
    (saved,) = set(checkpoints.glob("*/step_*")) - before
    again = ask(served, LAUNCH_AGAIN, run=run)["launchRunReexecution"]
    assert again["__typename"] == "LaunchRunSuccess", again
    wait_for_status(served, again["run"]["runId"], "SUCCESS")
    return ResumedRun(run, observed, int(saved.name.removeprefix("step_")), again["run"]["runId"])


def expect_to_continue(served: Served, resumed: ResumedRun) -> None:
    assert entries(resumed.observations[-1])["step"] <= resumed.checkpoint_step < 3000
    made = events(served, resumed.second_run_id, "MaterializationEvent")
    assert [entries(event)["resumed_at_step"] for event in made] == [resumed.checkpoint_step] * len(OUTPUTS)


@pytest.fixture(scope="module")
def resumed(served: Served) -> ResumedRun:
    return terminate_and_execute_again(served, processes=1)


def test_a_run_is_observed_while_it_trains_and_warns_of_the_cpu(served: Served, resumed: ResumedRun) -> None:
    shown = entries(events(served, resumed.first_run_id, "ObservationEvent")[0])
    assert shown["step"] == 750
    for name in ("discriminator_output_real", "discriminator_output_generated", "discriminator_accuracy"):
        assert 0 <= shown[name] <= 1
    for name in ("generator_loss", "generator_gradient_norm", "images_per_second", "memory_mib"):
        assert shown[name] > 0
    assert shown["thumbnail"].startswith("![")
    observed, made = (
        events(served, resumed.second_run_id, kind) for kind in ("ObservationEvent", "MaterializationEvent")
    )
    assert len(observed) >= 3
    assert {event["partition"] for event in observed} == {"rmsprop"}
    assert max(int(event["timestamp"]) for event in observed) <= min(int(event["timestamp"]) for event in made)
    checks = [event["evaluation"] for event in events(served, resumed.second_run_id, "AssetCheckEvaluationEvent")]
    assert {"checkName": "trained_on_gpu", "success": False, "severity": "WARN"} in checks


def test_a_run_terminated_after_observations_continues_from_where_it_was(served: Served, resumed: ResumedRun) -> None:
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
