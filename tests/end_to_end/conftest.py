"""A finished tiny chain of what `make demo` trains, and the UI over it, by the commands a person uses."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.storage.paths import PROJECT, Paths

START_TIMEOUT_SECONDS = 120
DEMO = ("rmsprop", "rmsprop_adam", "rmsprop_adam_tweaked")
COMMAND = [sys.executable, "-m", "assets.cli"]


@dataclass(frozen=True)
class Served:
    """A running UI and its data."""

    url: str
    paths: Paths


@dataclass(frozen=True)
class Made:
    """A data folder with the demo in it, and the environment whose commands see it."""

    paths: Paths
    environment: dict[str, str]


@pytest.fixture(scope="session")
def made(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One for all tests that look at it: it takes half a minute to make."""
    data = tmp_path_factory.mktemp("data")
    own = {"GANFORGE_DATA": str(data), "GANFORGE_MNIST": str(small_mnist)}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GANFORGE_", "DAGSTER_"))}
    environment = {**inherited, **own}
    chain = ["materialize", "mnist_mlp", "--optimizer", *DEMO, "--steps", "2", "--members", "2", "--samples", "60"]
    subprocess.run([*COMMAND, *chain], cwd=PROJECT, env=environment, check=True, timeout=300, capture_output=True)
    return Made(Paths(data), environment)


@pytest.fixture(scope="session")
def served(made: Made) -> Iterator[Served]:
    """The UI over the demo."""
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
