"""The UI in headless Chromium: the asset graph and an asset's page, looked at as pictures and as text."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.storage.paths import PROJECT

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,1000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
START_TIMEOUT_SECONDS = 120


def browse(url: str, profile: Path, *arguments: str) -> str:
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=20000", *arguments, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def ui(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The UI over a finished tiny chain, started and stopped by the command a person uses."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    own = {"GANFORGE_DATA": str(tmp_path_factory.mktemp("data")), "GANFORGE_MNIST": str(small_mnist)}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GANFORGE_", "DAGSTER_"))}
    environment = {**inherited, **own}
    command = [sys.executable, "-m", "assets.cli"]
    chain = ["materialize", "mnist_mlp", "--optimizer", "sgd", "--steps", "2", "--members", "2", "--samples", "60"]
    subprocess.run([*command, *chain], cwd=PROJECT, env=environment, check=True, timeout=300, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([*command, "ui", "--port", str(port)], cwd=PROJECT, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", server)
        yield f"http://127.0.0.1:{port}"
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


@pytest.mark.parametrize(
    ("name", "page", "expected"),
    [
        ("asset_graph", "/asset-groups", ["raw", "tensors", "training", "samples", "reports", "comparison"]),
        (
            "asset_page",
            "/assets/mnist_mlp/samples?partition=sgd&view=partitions",
            ["sgd", "images_a_member", "preview"],
        ),
        ("comparison", "/assets/mnist_mlp/comparison", ["ranking", "sgd", "Fréchet distance"]),
    ],
)
def test_a_person_sees_the_page(ui: str, tmp_path: Path, name: str, page: str, expected: list[str]) -> None:
    text = browse(ui + page, tmp_path, "--dump-dom")
    assert [word for word in expected if word not in text] == []
    screenshots = Path(os.environ.get("GANFORGE_SCREENSHOTS") or tmp_path).resolve()
    screenshots.mkdir(parents=True, exist_ok=True)
    picture = screenshots / f"{name}.png"
    browse(ui + page, tmp_path, f"--screenshot={picture}")
    with Image.open(picture) as shot:
        levels = np.asarray(shot.convert("L"))
    assert levels.shape == (1000, 1400)
    assert (levels < 128).mean() > 0.002  # an empty page has no ink
