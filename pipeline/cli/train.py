"""`ganforge train`: train partitions without Dagster, alone or as one of the processes that `torchrun` starts.

    ganforge train mnist_mlp --optimizer adam rmsprop --steps 2000
    torchrun --nproc-per-node=2 -m pipeline.cli.train mnist_mlp --optimizer adam

The data set's tensors must be there already. Interrupted, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.budgets import budget_for
from pipeline.cli.alone import run_alone
from pipeline.settings import TrainingSettings, load_optimizers, load_recipes, resolve
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.training.engine.ranks import Ranks


DESCRIPTION = "Train optimizer configurations of a recipe whose data set's tensors are there, as one stack."
EPILOG = "example: torchrun --nproc-per-node=2 -m pipeline.cli.train mnist_mlp --optimizer adam --steps 2000"


def add_parser(commands: Any) -> None:
    """The command among others."""
    parser = commands.add_parser(
        "train",
        help="train without Dagster; also the entry point for torchrun",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to train."""
    parser.add_argument("recipe", nargs="?", help="a recipe of pipeline/recipes.toml, such as mnist_mlp")
    parser.add_argument("--optimizer", nargs="+", metavar="KEY", help="configurations; default: all of them")
    parser.add_argument("--steps", metavar="N", help="training steps, or 'full' for the source's own budget")
    parser.add_argument("--members", type=int, metavar="M", help="replicates that differ by seed alone")
    parser.add_argument("--width", type=int, metavar="W", help="of the network's layers")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="training seed (default 0)")
    parser.add_argument("--force", action="store_true", help="train from step 0, whatever is there")
    parser.add_argument("--settings", type=Path, help=argparse.SUPPRESS)  # resolved ones, as training/launch.py writes


def run(arguments: argparse.Namespace) -> int:
    """Train, by this process alone or together with the others that torchrun started."""
    from pipeline.training.engine.ranks import joined

    settings = _settings(arguments)
    with joined() as ranks:
        logging.basicConfig(level=logging.INFO if ranks.first else logging.WARNING, format="%(message)s")
        _train(settings, ranks, force=arguments.force, as_json=arguments.settings is not None)
    return 0


def _settings(arguments: argparse.Namespace) -> list[TrainingSettings]:
    if arguments.settings is not None:
        return [TrainingSettings.from_json(each) for each in json.loads(arguments.settings.read_text(encoding="utf-8"))]
    if arguments.recipe is None:
        raise ValueError("no recipe named; expected one of: " + ", ".join(load_recipes()))
    recipe, optimizers = find(load_recipes(), arguments.recipe, "recipe"), load_optimizers()
    chosen = [find(optimizers, key, "optimizer configuration") for key in arguments.optimizer or optimizers]
    budget = budget_for(recipe, arguments.steps, arguments.width)
    return [
        resolve(recipe, each, steps=budget.steps, width=budget.width, members=arguments.members, seed=arguments.seed)
        for each in chosen
    ]


def _train(settings: list[TrainingSettings], ranks: Ranks, *, force: bool, as_json: bool) -> None:
    from pipeline.storage.paths import Paths
    from pipeline.tensors.load import require_tensors
    from pipeline.training.launch import observation_to_json
    from pipeline.training.train import train_watched

    paths = Paths.default()
    dataset = find(load_recipes(), settings[0].recipe, "recipe").dataset
    for observation in train_watched(settings, require_tensors(paths, dataset), paths, force=force, ranks=ranks):
        if as_json:
            print(observation_to_json(observation), flush=True)


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.cli.train", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
