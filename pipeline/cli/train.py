"""`ganforge train`: train partitions without Dagster, alone or as one of the processes that `torchrun` starts.

    ganforge train mnist_mlp --optimizer adam rmsprop --steps 2000
    torchrun --nproc-per-node=2 -m pipeline.cli train mnist_mlp --optimizer adam

The data set's tensors must be there already. Run the same command again to resume an interrupted training.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli.options import TRAINING_DEFAULTS, Configurations, Recipe, TrainingOptions

if TYPE_CHECKING:
    from pipeline.settings import TrainingSettings
    from pipeline.training.engine.ranks import Ranks


def train(
    recipe: Recipe | None = None,
    /,
    *,
    optimizer: Configurations = None,
    options: TrainingOptions = TRAINING_DEFAULTS,
    force: Annotated[bool, Parameter(help="train from step 0, even if checkpoints exist")] = False,
    # resolved settings in JSON, as training/launch.py writes them for its processes
    settings: Annotated[Path | None, Parameter(show=False)] = None,
    earlier_trainings: Annotated[int | None, Parameter(show=False)] = None,  # as `training/train.py` explains
) -> None:
    """Train without Dagster, alone or under torchrun.

    The data set's tensors must be there. Several optimizer configurations train as one stack. Run the same command
    again to resume an interrupted training.

    example: torchrun --nproc-per-node=2 -m pipeline.cli train mnist_mlp --optimizer adam --steps 2000
    """
    from pipeline.training.engine.ranks import join_ranks

    chosen = _resolved(recipe, optimizer, options) if settings is None else _stored(settings)
    with join_ranks() as ranks:
        logging.basicConfig(level=logging.INFO if ranks.first else logging.WARNING, format="%(message)s")
        _train(chosen, ranks, earlier_trainings, force=force, as_json=settings is not None)


def _stored(file: Path) -> list[TrainingSettings]:
    from pipeline.settings import TrainingSettings

    return [TrainingSettings.from_json(values) for values in json.loads(file.read_text(encoding="utf-8"))]


def _resolved(recipe: str | None, optimizer: Sequence[str] | None, options: TrainingOptions) -> list[TrainingSettings]:
    from pipeline.budgets import budget_for
    from pipeline.settings import load_optimizers, load_recipes, resolve
    from pipeline.tables import find

    recipes, optimizers = load_recipes(), load_optimizers()
    if recipe is None:
        raise ValueError("no recipe named; expected one of: " + ", ".join(recipes))
    entry = find(recipes, recipe, "recipe")
    chosen = [find(optimizers, key, "optimizer configuration") for key in optimizer or optimizers]
    budget = budget_for(entry, options.steps, options.width)
    return [
        resolve(
            entry,
            configuration,
            steps=budget.steps,
            width=budget.width,
            members=options.members,
            seed=options.seed,
        )
        for configuration in chosen
    ]


def _train(
    settings: list[TrainingSettings], ranks: Ranks, earlier_trainings: int | None, *, force: bool, as_json: bool
) -> None:
    from pipeline.settings import load_recipes
    from pipeline.storage.paths import Paths
    from pipeline.tables import find
    from pipeline.tensors.load import require_tensors
    from pipeline.training.earlier import DEFAULT_COUNT
    from pipeline.training.launch import observation_to_json
    from pipeline.training.train import train_watched

    paths = Paths.default()
    dataset = find(load_recipes(), settings[0].recipe, "recipe").dataset
    count = DEFAULT_COUNT if earlier_trainings is None else earlier_trainings
    tensors = require_tensors(paths, dataset)
    for observation in train_watched(settings, tensors, paths, force=force, ranks=ranks, earlier_trainings=count):
        if as_json:
            print(observation_to_json(observation), flush=True)
