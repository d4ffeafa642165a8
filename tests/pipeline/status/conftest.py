"""A finished tiny chain of a recipe and two configurations of the test's own, made once and copied for each test."""

import shutil
from pathlib import Path

import pytest

from pipeline.storage.paths import Paths
from tests.tiny_chain import make_chain, make_it_tiny, name_tables


@pytest.fixture(scope="session")
def chain_once(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables and the data folder. No test writes into it: `chain` is a copy."""
    folder = tmp_path_factory.mktemp("chain")
    make_chain(folder, small_mnist)
    return folder


@pytest.fixture
def tables(chain_once: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test's own `recipes.toml` and `optimizers.toml`, which the environment names."""
    for name in ("recipes.toml", "optimizers.toml"):
        shutil.copyfile(chain_once / name, tmp_path / name)
    name_tables(tmp_path, small_mnist, monkeypatch)
    return tmp_path


@pytest.fixture
def chain(chain_once: Path, tables: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The test's own copy of the data folder."""
    make_it_tiny(monkeypatch)
    shutil.copytree(chain_once / "data", paths.root)
    return paths
