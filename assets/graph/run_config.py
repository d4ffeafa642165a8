"""Run config: what a run may override. Everything else is decided by the tables in `pipeline`."""

from collections.abc import Mapping
from enum import Enum

import dagster as dg
from pydantic import Field

from pipeline.budgets import Budget, full_budget, plain_budget
from pipeline.settings import LARGEST_SEED, LEAST_SAMPLES, Recipe

BUDGET_TAG = "ganforge/budget"  # on runs of a preset's jobs
FULL_BUDGET = "full"


class MakeConfig(dg.Config):
    """For assets without settings of their own."""

    force: bool = Field(default=False, description="make it anew, even if it is there unchanged")


class TrainingConfig(dg.Config):
    """For training; what is left out comes from the recipe."""

    steps: int | None = Field(default=None, ge=1, description="how long to train; default: the recipe's budget")
    full_budget: bool = Field(default=False, description="train as long as the recipe's source did")
    members: int | None = Field(
        default=None, ge=1, description="replicates that differ by seed alone; default: the recipe's"
    )
    width: int | None = Field(
        default=None, ge=1, description="the size that the network's layers are multiples of; default: the recipe's"
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="of weights, latents and shuffling")
    processes: int = Field(
        default=1, ge=1, description="train data-parallel in so many processes, which share every batch (torchrun)"
    )
    force: bool = Field(default=False, description="train anew, even if nothing changed")

    def budget(self, recipe: Recipe, tags: Mapping[str, str]) -> Budget:
        """What this configuration, or else the run's tag, asks for."""
        full = self.full_budget or tags.get(BUDGET_TAG) == FULL_BUDGET
        budget = full_budget(recipe) if full else plain_budget(recipe)
        steps = budget.steps if self.steps is None or self.full_budget else self.steps
        return Budget(steps, budget.width if self.width is None else self.width)


class Weights(Enum):
    """Which of the generator's weights."""

    RAW = "raw"
    AVERAGE = "average"


class SamplesConfig(dg.Config):
    """For samples."""

    images: int | None = Field(default=None, ge=LEAST_SAMPLES, description="images a member; default: the recipe's")
    seed: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="of the latents; the same for all configurations, so that they are paired",
    )
    weights: Weights | None = Field(
        default=None,
        description="of the generator: as trained, or their running average; default: the average where the "
        "configuration or its recipe keeps one (ema_decay), else as trained",
    )
    force: bool = Field(default=False, description="draw anew, even if nothing changed")


class ExtractorName(Enum):
    """Which network the scores are taken with."""

    CLASSIFIER = "classifier"
    INCEPTION = "inception"


class ReportConfig(dg.Config):
    """For reports."""

    extractor: ExtractorName = Field(
        default=ExtractorName.CLASSIFIER,
        description="the network that scores are taken with: the data set's own, or Inception-v3 as papers use, "
        "which needs the data set's inception_reference",
    )
    thorough: bool = Field(
        default=False, description="also the scores that take minutes: GAN-train, GAN-test, perceptual path length"
    )
    force: bool = Field(default=False, description="score again, even if nothing changed")
