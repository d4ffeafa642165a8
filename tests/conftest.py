"""Fixtures: a small data set in the official layout that any machine can make, and the real one where it is."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import settings
from pipeline.raw.idx import encode_idx
from pipeline.storage.paths import Paths

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch is not imported yet: small networks run best on one thread

KEPT_VARIABLES = ("GANFORGE_DATA", "GANFORGE_SCREENSHOTS")
REAL_DATA = {name: os.environ.get(name, "") for name in ("GANFORGE_MNIST", "GANFORGE_CELEBA")}  # of the caller


LONG_FILES = ("tests/end_to_end/", "tests/test_adding.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the long files, so that two workers end together."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FILES))


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads or writes the project's data, or goes to the network through a variable of the caller's."""
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    remove_callers_variables(monkeypatch)


def remove_callers_variables(patch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GANFORGE_") and name not in KEPT_VARIABLES]:
        patch.delenv(name)


@pytest.fixture
def paths() -> Paths:
    """The test's own data folder."""
    return Paths.default()


@pytest.fixture(scope="session")
def small_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 + 120 "digits", bars of ten classes in the official four files: separable, and made in a moment."""
    folder = tmp_path_factory.mktemp("small_mnist")
    for prefix, count, seed in (("train", 300, 1), ("t10k", 120, 2)):
        images, labels = barred_digits(count, seed)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(encode_idx(images)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encode_idx(labels)))
    return folder


def barred_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 28, 28) uint8 with a bright bar in a column that depends on the class, and labels (N,) uint8."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = random.integers(0, 60, (count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = 1 + 5 * (int(label) % 5) + int(random.integers(0, 2)), 2 + 14 * (int(label) // 5)
        image[top : top + 4, left : left + 10] = random.integers(180, 256)
    return images, labels


@pytest.fixture
def named_small_mnist(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small data set, named the way a user names a directory."""
    monkeypatch.setenv("GANFORGE_MNIST", str(small_mnist))
    return small_mnist


@pytest.fixture
def real_mnist(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The 60,000 + 10,000 real images in the folder that the caller's variable names, or a skip with the reason."""
    return _name_real("GANFORGE_MNIST", monkeypatch)


@pytest.fixture
def real_celeba(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Original photographs of CelebA in the folder that the caller's variable names, or a skip with the reason."""
    return _name_real("GANFORGE_CELEBA", monkeypatch)


def _name_real(variable: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not REAL_DATA[variable]:
        pytest.skip(f"needs real images: set {variable} to a folder with the official files")
    folder = Path(REAL_DATA[variable]).expanduser().resolve()
    monkeypatch.setenv(variable, str(folder))
    return folder


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built-in tables as files that a test may edit."""
    for name in ("recipes.toml", "optimizers.toml"):
        shutil.copyfile(settings.PACKAGE / name, tmp_path / name)
    monkeypatch.setattr(settings, "PACKAGE", tmp_path)
    return tmp_path
