"""Chain: the assets of a recipe in the order they are made, and the jobs that make a preset's chain by its name."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.graph.partitions import DATASETS, PRESETS, RANGE_END_TAG, RANGE_START_TAG, RECIPES
from assets.graph.run_config import BUDGET_TAG, FULL_BUDGET
from assets.training import OUTPUTS
from pipeline.budgets import full_budget, plain_budget
from pipeline.raw.dataset import Dataset
from pipeline.settings import Preset, Recipe

PARTITIONED = (*OUTPUTS, "samples", "report")
FULL = "_full"  # ends the name of the job with a source's own budget


def data_keys(dataset: Dataset) -> list[dg.AssetKey]:
    """The data set's files and tensors."""
    return [dg.AssetKey([dataset.raw_key, "raw"]), dg.AssetKey([dataset.key, "tensors"])]


JUDGES = {"classifier": ("classifier", "reference"), "inception": ("inception_reference",)}  # by extractor


def judge_keys(dataset: Dataset, extractor: str = "classifier") -> list[dg.AssetKey]:
    """What its scores are taken with."""
    return [dg.AssetKey([dataset.key, name]) for name in JUDGES[extractor]]


def partitioned_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """What is made for every optimizer configuration."""
    return [dg.AssetKey([recipe.key, name]) for name in PARTITIONED]


def comparison_key(recipe: Recipe) -> dg.AssetKey:
    """What is made of all configurations together."""
    return dg.AssetKey([recipe.key, "comparison"])


def champion_key(recipe: Recipe) -> dg.AssetKey:
    """The one to use."""
    return dg.AssetKey([recipe.key, "champion"])


def chain_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Everything of a recipe, from raw files to champion."""
    dataset = DATASETS[recipe.dataset]
    of_all = [comparison_key(recipe), champion_key(recipe)]
    return [*data_keys(dataset), *judge_keys(dataset), *partitioned_keys(recipe), *of_all]


CHAINS = {recipe.key: chain_keys(recipe) for recipe in RECIPES.values()}


def preset_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Two jobs a preset: its recipe's demo budget under its own name, the source's own budget with `_full` behind."""
    return [_job(preset, full=full) for preset in PRESETS.values() for full in (False, True)]


def _job(preset: Preset, *, full: bool) -> UnresolvedAssetJobDefinition:
    recipe = RECIPES[preset.recipe]
    budget = full_budget(recipe) if full else plain_budget(recipe)
    return dg.define_asset_job(
        preset.key + (FULL if full else ""),
        selection=dg.AssetSelection.assets(*CHAINS[recipe.key]),
        description=f"{preset.description}: {budget}. Source: {preset.source}",
        # Tags, not config: Dagster applies the config of a partitioned job only where a person picks a partition.
        tags={
            RANGE_START_TAG: preset.optimizer,
            RANGE_END_TAG: preset.optimizer,
            BUDGET_TAG: FULL_BUDGET if full else "demo",
        },
    )
