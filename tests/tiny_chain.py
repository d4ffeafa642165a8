"""Tiny chain: every artefact of a recipe with two configurations on the small data set, made in seconds."""

from __future__ import annotations

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
CONFIGURATIONS = ("one", "two")
ANCHOR_IMAGES = 40
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


def make_chain(folder: Path, small_mnist: Path) -> None:
    """Make the tables and the folder `data` in a folder."""
    (folder / "recipes.toml").write_text(RECIPES_FILE)
    (folder / "optimizers.toml").write_text(OPTIMIZERS_FILE)
    paths = Paths(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        name_tables(folder, small_mnist, patch)
        make_it_tiny(patch)
        acquire(DATASETS["mnist"], paths)
        tensors = build(DATASETS["mnist"], paths)
        train_classifier("mnist", paths, settings=CLASSIFIER)
        make_reference("mnist", paths)
        recipe, optimizers = load_recipes()[RECIPE], load_optimizers()
        trainings = train([resolve(recipe, optimizers[key]) for key in CONFIGURATIONS], tensors, paths)
        judge = Judge.load("mnist", paths)
        for key in CONFIGURATIONS:
            generate(trainings[key], recipe.samples, paths)
            score_partition(RECIPE, key, judge, paths)
        make_comparison(RECIPE, list(optimizers), paths)


def name_tables(folder: Path, files: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the variables that name the data set's files and the tables in a folder."""
    patch.setenv("GANFORGE_MNIST", str(files))
    patch.setenv("GANFORGE_RECIPES", str(folder / "recipes.toml"))
    patch.setenv("GANFORGE_OPTIMIZERS", str(folder / "optimizers.toml"))


def make_it_tiny(patch: pytest.MonkeyPatch) -> None:
    """Score few anchor images, expect the briefly trained classifier, and write a page without its pictures."""
    patch.setattr("pipeline.status.datasets.EXTRACTOR_SETTINGS", CLASSIFIER)
    patch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", ANCHOR_IMAGES)
    patch.setattr("pipeline.comparison.page.write_page", _write_short_page)


def _write_short_page(ranking: object, paths: Paths, file: Path) -> SimpleNamespace:
    file.write_text("page")
    return SimpleNamespace(size_bytes=4, missing_parts={})
