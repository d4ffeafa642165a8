"""Fixtures: a prepared data set, a tiny copy of the data of `make demo`, and the UI over it."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from assets import cli
from assets.instance.home import ensure_dagster_home
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.reference import make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.artefact import artefact_lock
from pipeline.storage.paths import PROJECT, Paths
from pipeline.tensors.build import build
from tests.conftest import remove_callers_variables

START_TIMEOUT_SECONDS = 120
BUDGET = ("--steps", "2", "--members", "2", "--samples", "60")
DEMO = ("rmsprop", "rmsprop_adam", "rmsprop_adam_tweaked")
CHAIN_OPTIMIZERS = ("sgd", "sgd_adam")
CHAIN_BUDGET = ("--steps", "3", "--members", "2", "--samples", "60")
FEW_ANCHORS = 100  # the small data set has no more real images
COMMAND = [sys.executable, "-m", "assets.cli"]


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: object, _: object) -> None:
    """Do not wait for the disk: Dagster commits every line of its log, which takes a third of a tiny chain's time."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session")
def prepared_once(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Make the small data set as files, tensors, classifier and reference."""
    paths = Paths(tmp_path_factory.mktemp("prepared"))
    with pytest.MonkeyPatch.context() as patch:
        remove_callers_variables(patch)
        patch.setenv("GANFORGE_MNIST", str(small_mnist))
        patch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
        acquire(DATASETS["mnist"], paths)
        build(DATASETS["mnist"], paths)
        train_classifier("mnist", paths)
        make_reference("mnist", paths)
    return paths


@pytest.fixture
def prepared(prepared_once: Paths, named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the data set's artefacts into the test's data folder, which saves half the time of a tiny chain."""
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
    shutil.copytree(prepared_once.root, paths.root, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def chain_once(prepared_once: Paths, small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Make the chain of `sgd_adam` and `sgd` in one run, as `ganforge materialize` does."""
    paths = Paths(tmp_path_factory.mktemp("chain"))
    shutil.copytree(prepared_once.root, paths.root, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        remove_callers_variables(patch)
        patch.setenv("GANFORGE_DATA", str(paths.root))
        patch.setenv("DAGSTER_HOME", str(paths.dagster()))
        patch.setenv("GANFORGE_MNIST", str(small_mnist))
        patch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
        write_no_page(patch)
        patch.setattr(
            "sys.argv", ["ganforge", "materialize", "mnist_mlp", "--optimizer", *CHAIN_OPTIMIZERS, *CHAIN_BUDGET]
        )
        assert cli.main() == 0
    return paths


@pytest.fixture
def copied_chain(chain_once: Paths, named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the finished chain of two configurations into the test's data folder."""
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", FEW_ANCHORS)
    shutil.copytree(chain_once.root, paths.root, dirs_exist_ok=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the test's data folder."""
    ensure_dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no comparison page: it takes half of a tiny chain's time and has separate tests."""
    write_no_page(monkeypatch)


def write_no_page(patch: pytest.MonkeyPatch) -> None:
    page = SimpleNamespace(size_bytes=0, missing_parts={})
    patch.setattr("pipeline.comparison.page.write_page", lambda _ranking, _paths, file: file.touch() or page)


@dataclass(frozen=True)
class Served:
    """A running UI and its data."""

    url: str
    paths: Paths


@dataclass(frozen=True)
class Made:
    """A data folder with the demo in it, and the environment for commands on it."""

    paths: Paths
    environment: dict[str, str]


@pytest.fixture(scope="session")
def made(prepared_once: Paths, small_mnist: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Made:
    """Make the demo once for all tests that read it; each worker gets a copy, because making it takes 20 seconds."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GANFORGE_", "DAGSTER_"))}
    folder = tmp_path_factory.mktemp("data")
    shared = folder if worker_id == "master" else tmp_path_factory.getbasetemp().parent / "made"
    with artefact_lock(shared):
        if not Paths(shared).comparison("mnist_mlp").exists():
            shutil.copytree(prepared_once.root, shared, dirs_exist_ok=True)
            chain = ["materialize", "mnist_mlp", "--optimizer", *DEMO, *BUDGET]
            environment = {**inherited, "GANFORGE_DATA": str(shared), "GANFORGE_MNIST": str(small_mnist)}
            run = [*COMMAND, *chain]
            subprocess.run(run, cwd=PROJECT, env=environment, check=True, timeout=300, capture_output=True)
    if shared != folder:
        shutil.copytree(shared, folder, dirs_exist_ok=True)
    return Made(Paths(folder), {**inherited, "GANFORGE_DATA": str(folder), "GANFORGE_MNIST": str(small_mnist)})


@pytest.fixture(scope="module")
def served(made: Made) -> Iterator[Served]:
    """Start the UI over the demo."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([*COMMAND, "ui", "--port", str(port)], cwd=PROJECT, env=made.environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", server)
        yield Served(f"http://127.0.0.1:{port}", made.paths)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the webserver outlived the command"


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, "the UI stopped while starting"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer within {START_TIMEOUT_SECONDS} seconds")
