"""The UI in headless Chromium: the asset graph and an asset's page, compared as pictures and as text."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]
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
