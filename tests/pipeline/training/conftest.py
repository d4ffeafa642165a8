from pathlib import Path

import pytest

from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.settings import OptimizerConfiguration, TrainingSettings, load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build


@pytest.fixture
def tensors(named_small_mnist: Path, paths: Paths) -> Artefact:
    acquire(DATASETS["mnist"], paths)
    return build(DATASETS["mnist"], paths)


def settings(
    optimizer: str | OptimizerConfiguration, *, steps: int = 4, members: int = 2, seed: int = 0
) -> TrainingSettings:
    configuration = load_optimizers()[optimizer] if isinstance(optimizer, str) else optimizer
    return resolve(load_recipes()["mnist_mlp"], configuration, steps=steps, members=members, seed=seed)
