"""Run config: what a run may override. Everything else is decided by the tables in `pipeline`."""

from collections.abc import Mapping
from enum import Enum

import dagster as dg
from pydantic import Field

from pipeline.settings import LARGEST_SEED, LEAST_SAMPLES, Recipe

BUDGET_TAG = "ganforge/budget"  # on runs of a preset's jobs
FULL_BUDGET = "full"


class MakeConfig(dg.Config):
    """For assets without settings of their own."""

    force: bool = Field(False, description="make it anew, even if it is there unchanged")


class TrainingConfig(dg.Config):
    """For training; what is left out comes from the recipe."""

    steps: int | None = Field(None, ge=1, description="how long to train; default: the recipe's budget")
    full_budget: bool = Field(False, description="train as long as the recipe's source did")
    members: int | None = Field(None, ge=1, description="replicates that differ by seed alone; default: the recipe's")
    width: int | None = Field(
        None, ge=1, description="the size that the network's layers are multiples of; default: the recipe's"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="of weights, latents and shuffling")
    processes: int = Field(
        1, ge=1, description="train data-parallel in so many processes, which share every batch (torchrun)"
    )
    force: bool = Field(False, description="train anew, even if nothing changed")

    def step_budget(self, recipe: Recipe, tags: Mapping[str, str]) -> int:
        """The number of steps that this configuration, or else the run's tag, asks for."""
        if self.full_budget:
            return recipe.full_steps
        if self.steps is not None:
            return self.steps
        return recipe.full_steps if tags.get(BUDGET_TAG) == FULL_BUDGET else recipe.steps


class Weights(Enum):
    """Which of the generator's weights."""

    RAW = "raw"
    AVERAGE = "average"


class SamplesConfig(dg.Config):
    """For samples."""

    images: int | None = Field(None, ge=LEAST_SAMPLES, description="images a member; default: the recipe's")
    seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="of the latents; the same for all configurations, so that they are paired"
    )
    weights: Weights = Field(
        Weights.RAW, description="of the generator: as trained, or their running average where the recipe keeps one"
    )
    force: bool = Field(False, description="draw anew, even if nothing changed")
