"""A finished tiny chain of a recipe and two configurations of the test's own, made once and copied for each test."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.comparison.make import make_comparison
from pipeline.metrics.extractors.classifier import train_classifier
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.reference import make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.reports.judge import Judge
from pipeline.reports.score import score_partition
from pipeline.samples.generate import generate
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.training.train import train

RECIPE = "tiny"
OWN = ("one", "two")
CLASSIFIER = ClassifierSettings(images_seen=600)
RECIPES_FILE = """
[tiny]
description = "Of the tests"
source = "here"
dataset = "mnist"
network = "mlp"
width = 8
batch_size = 20
steps = 4
full_steps = 8
members = 2
samples = 20
history_interval_steps = 2
snapshot_interval_steps = 2
evaluation_images = 20
"""
OPTIMIZERS_FILE = """
[one]
both = { kind = "adam", learning_rate = 0.0002 }

[two]
both = { kind = "rmsprop", learning_rate = 0.0001 }
"""


@pytest.fixture(scope="session")
def chain_once(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables and the data folder. Not to be written into: `chain` is a copy."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "recipes.toml").write_text(RECIPES_FILE)
    (folder / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    paths = Paths(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        _name_tables(folder, small_mnist, patch)
        patch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 40)
        patch.setattr("pipeline.comparison.page.write_page", _short_page)
        acquire(DATASETS["mnist"], paths)
        tensors = build(DATASETS["mnist"], paths)
        train_classifier("mnist", paths, settings=CLASSIFIER)
        make_reference("mnist", paths)
        recipe, optimizers = load_recipes()[RECIPE], load_optimizers()
        trainings = train([resolve(recipe, optimizers[key]) for key in OWN], tensors, paths)
        judge = Judge.load("mnist", paths)
        for key in OWN:
            generate(trainings[key], recipe.samples, paths)
            score_partition(RECIPE, key, judge, paths)
        make_comparison(RECIPE, list(optimizers), paths)
    return folder


def _name_tables(folder: Path, files: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("GANFORGE_MNIST", str(files))
    patch.setenv("GANFORGE_RECIPES", str(folder / "recipes.toml"))
    patch.setenv("GANFORGE_OPTIMIZERS", str(folder / "optimizers.toml"))


def _short_page(ranking: object, paths: Paths, file: Path) -> SimpleNamespace:
    """In place of the page, which takes seconds to draw."""
    file.write_text("page")
    return SimpleNamespace(size_bytes=4, left_out=[])


@pytest.fixture
def tables(chain_once: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test's own `recipes.toml` and `optimizers.toml`, which the environment names."""
    for name in ("recipes.toml", "optimizers.toml"):
        shutil.copyfile(chain_once / name, tmp_path / name)
    _name_tables(tmp_path, small_mnist, monkeypatch)
    return tmp_path


@pytest.fixture
def chain(chain_once: Path, tables: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The test's own copy of the data folder."""
    monkeypatch.setattr("pipeline.status.datasets.EXTRACTOR_SETTINGS", CLASSIFIER)
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 40)
    monkeypatch.setattr("pipeline.comparison.page.write_page", _short_page)
    shutil.copytree(chain_once / "data", paths.root)
    return paths
