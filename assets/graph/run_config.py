"""Run config: the settings that a run may override. The tables in `pipeline` decide all other settings."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from pipeline.budgets import Budget, full_budget, plain_budget
from pipeline.settings import LARGEST_SEED, LEAST_SAMPLES, Recipe

BUDGET_TAG = "ganforge/budget"  # on runs of a preset's jobs
FULL_BUDGET = "full"


def ops_config(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run config of each op by its name. Settings that are None are left out: the op has their defaults."""
    return {
        op: {"config": {name: value for name, value in values.items() if value is not None}}
        for op, values in settings.items()
    }


class MakeConfig(dg.Config):
    """Run config of assets that have no other settings."""

    force: bool = Field(default=False, description="make it again, even if it exists unchanged")


class TrainingConfig(dg.Config):
    """Run config of training. Settings that are left out come from the recipe."""

    steps: int | None = Field(default=None, ge=1, description="how long to train; default: the recipe's budget")
    full_budget: bool = Field(default=False, description="train as long as the recipe's source did")
    members: int | None = Field(
        default=None,
        ge=1,
        description="least number of replicates, which differ by seed alone; default: the recipe's; those that exist "
        "are kept",
    )
    width: int | None = Field(
        default=None, ge=1, description="the size that the network's layers are multiples of; default: the recipe's"
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="seed of weights, latents and shuffling")
    processes: int = Field(
        default=1, ge=1, description="number of processes that train data-parallel and share every batch (torchrun)"
    )
    force: bool = Field(default=False, description="train again, even if nothing changed")

    def budget(self, recipe: Recipe, tags: Mapping[str, str]) -> Budget:
        """Return the budget of this config, or of the run's tag if this config names none."""
        full = self.full_budget or tags.get(BUDGET_TAG) == FULL_BUDGET
        budget = full_budget(recipe) if full else plain_budget(recipe)
        steps = budget.steps if self.steps is None or self.full_budget else self.steps
        return Budget(steps, budget.width if self.width is None else self.width)


class Weights(Enum):
    """The kind of the generator's weights."""

    RAW = "raw"
    AVERAGE = "average"


class SamplesConfig(dg.Config):
    """Run config of sample sets."""

    images: int | None = Field(default=None, ge=LEAST_SAMPLES, description="images per member; default: the recipe's")
    seed: int = Field(
        default=0,
        ge=0,
        le=LARGEST_SEED,
        description="seed of the latents; the same for all configurations, so that members are paired",
    )
    members: int | None = Field(
        default=None, ge=1, description="images of the first members only; default: of all that were trained"
    )
    weights: Weights | None = Field(
        default=None,
        description="the generator's weights as trained, or their running average; default: the average if the "
        "configuration or its recipe keeps one (ema_decay), else as trained",
    )
    force: bool = Field(default=False, description="generate again, even if nothing changed")


class ExtractorName(Enum):
    """The network that extracts features for the scores."""

    CLASSIFIER = "classifier"
    INCEPTION = "inception"


class ReportConfig(dg.Config):
    """Run config of reports."""

    extractor: ExtractorName = Field(
        default=ExtractorName.CLASSIFIER,
        description="the network that extracts features: the data set's own classifier, or Inception-v3 as in papers, "
        "which needs the data set's inception_reference",
    )
    members: int | None = Field(
        default=None, ge=1, description="scores of the first members only; default: of all that generated samples"
    )
    thorough: bool = Field(
        default=False, description="also the scores that take minutes: GAN-train, GAN-test, perceptual path length"
    )
    force: bool = Field(default=False, description="score again, even if nothing changed")
