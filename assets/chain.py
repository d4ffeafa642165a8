"""Chain: the assets of a recipe in the order in which they are made, and the jobs that make a preset's chain."""

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
    """Return the keys of a data set's files and tensors."""
    return [dg.AssetKey([dataset.raw_key, "raw"]), dg.AssetKey([dataset.key, "tensors"])]


SCORING_ASSETS = {"classifier": ("classifier", "reference"), "inception": ("inception_reference",)}  # by extractor


def scoring_keys(dataset: Dataset, extractor: str = "classifier") -> list[dg.AssetKey]:
    """Return the keys of a data set's extractor and reference, which every score needs."""
    return [dg.AssetKey([dataset.key, name]) for name in SCORING_ASSETS[extractor]]


def partitioned_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Return the keys of the assets with one partition per optimizer configuration."""
    return [dg.AssetKey([recipe.key, name]) for name in PARTITIONED]


def comparison_key(recipe: Recipe) -> dg.AssetKey:
    """Return the key of the comparison of all configurations."""
    return dg.AssetKey([recipe.key, "comparison"])


def champion_key(recipe: Recipe) -> dg.AssetKey:
    """Return the key of the champion, the generator to use."""
    return dg.AssetKey([recipe.key, "champion"])


def chain_keys(recipe: Recipe) -> list[dg.AssetKey]:
    """Return the keys of a recipe's whole chain, from raw files to champion."""
    dataset = DATASETS[recipe.dataset]
    ends = [comparison_key(recipe), champion_key(recipe)]
    return [*data_keys(dataset), *scoring_keys(dataset), *partitioned_keys(recipe), *ends]


CHAINS = {recipe.key: chain_keys(recipe) for recipe in RECIPES.values()}


def preset_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Return two jobs per preset: one with the demo budget, and one named `..._full` with the source's own budget."""
    return [_job(preset, full=full) for preset in PRESETS.values() for full in (False, True)]


def _job(preset: Preset, *, full: bool) -> UnresolvedAssetJobDefinition:
    recipe = RECIPES[preset.recipe]
    budget = full_budget(recipe) if full else plain_budget(recipe)
    return dg.define_asset_job(
        preset.key + (FULL if full else ""),
        selection=dg.AssetSelection.assets(*CHAINS[recipe.key]),
        description=f"{preset.description}: {budget}. Source: {preset.source}",
        # Tags, not config: Dagster applies the config of a partitioned job only if a person picks a partition.
        tags={
            RANGE_START_TAG: preset.optimizer,
            RANGE_END_TAG: preset.optimizer,
            BUDGET_TAG: FULL_BUDGET if full else "demo",
        },
    )
