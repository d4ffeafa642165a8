"""A finished tiny chain for the page: two configurations of two members on the small data set, made once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.comparison.page.entries import PageEntry, find_entries
from pipeline.comparison.ranking import Ranking, compare
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

CONFIGURATIONS = ("adam", "sgd")
RECIPE = "mnist_mlp"


@pytest.fixture(scope="session")
def finished(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Not to be written into: `chain_paths` is a copy."""
    paths = Paths(tmp_path_factory.mktemp("finished") / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANFORGE_MNIST", str(small_mnist))
        patch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 60)
        acquire(DATASETS["mnist"], paths)
        tensors = build(DATASETS["mnist"], paths)
        train_classifier("mnist", paths, settings=ClassifierSettings(images_seen=600))
        make_reference("mnist", paths)
        recipe, optimizers = load_recipes()[RECIPE], load_optimizers()
        settings = [resolve(recipe, optimizers[key], steps=3, members=2) for key in CONFIGURATIONS]
        trainings = train(settings, tensors, paths)
        judge = Judge.load("mnist", paths)
        for key in CONFIGURATIONS:
            generate(trainings[key], 40, paths)
            score_partition(RECIPE, key, judge, paths)
    return paths


@pytest.fixture
def chain_paths(finished: Paths, paths: Paths) -> Paths:
    """Return the paths of the test's own copy of the finished chain."""
    shutil.copytree(finished.root, paths.root)
    return paths


@pytest.fixture
def ranking(chain_paths: Paths) -> Ranking:
    """Return the ranking of the whole comparison."""
    return compare(RECIPE, CONFIGURATIONS, chain_paths)


@pytest.fixture
def entries(ranking: Ranking, chain_paths: Paths) -> list[PageEntry]:
    """Return the ranked configurations as entries of the page."""
    return find_entries(ranking, chain_paths)


@pytest.fixture
def second_alone(entries: list[PageEntry]) -> PageEntry:
    """The best of them with a training whose first member diverged."""
    training = entries[0].training()
    return replace(entries[0], stored_training=replace(training, details=training.details | {"diverged_members": [0]}))
