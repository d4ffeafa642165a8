"""Partitions: one per optimizer configuration, in the order of the built-in table and then of the user's own file.

The other tables from which the definitions are built are read here too. All are read once, when the definitions load,
so a new entry appears after a reload of the code location.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from pipeline.networks import architecture_names
from pipeline.raw.catalogue import load_datasets
from pipeline.raw.dataset import Dataset
from pipeline.settings import (
    OptimizerConfiguration,
    Preset,
    Recipe,
    load_optimizers,
    load_presets,
    load_recipes,
)
from pipeline.tables import find


def expect_known(recipes: Mapping[str, Recipe], datasets: Mapping[str, Dataset]) -> None:
    """Raise `SettingsError` if a recipe names a data set or a network that does not exist."""
    for recipe in recipes.values():
        find(datasets, recipe.dataset, f"recipe {recipe.key!r}: data set")
        find(dict.fromkeys(architecture_names()), recipe.network, f"recipe {recipe.key!r}: network")


OPTIMIZERS: dict[str, OptimizerConfiguration] = load_optimizers()
RECIPES: dict[str, Recipe] = load_recipes()
PRESETS: dict[str, Preset] = load_presets()
DATASETS: dict[str, Dataset] = load_datasets()
PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
expect_known(RECIPES, DATASETS)
PARTITIONS = dg.StaticPartitionsDefinition(list(OPTIMIZERS))


def backfill_policy(recipe: Recipe) -> dg.BackfillPolicy:
    """Return one run for all partitions, which train as one sweep, or one run per partition with `sweep = false`."""
    return dg.BackfillPolicy.single_run() if recipe.sweep else dg.BackfillPolicy.multi_run(1)


def contiguous_ranges(keys: list[str]) -> list[list[str]]:
    """Return the keys in partition order, split into contiguous ranges, because a run takes one contiguous range."""
    order = list(OPTIMIZERS)
    ranges: list[list[str]] = []
    for key in sorted(set(keys), key=order.index):
        if ranges and order.index(ranges[-1][-1]) == order.index(key) - 1:
            ranges[-1].append(key)
        else:
            ranges.append([key])
    return ranges


def partition_tags(keys: Sequence[str]) -> dict[str, str]:
    """Return the tags from which Dagster reads a run's partitions: one key, or the ends of a contiguous range.

    Dagster files the check results of a run under a partition only by the tag of one key.
    """
    if len(keys) == 1:
        return {PARTITION_TAG: keys[0]}
    return {RANGE_START_TAG: keys[0], RANGE_END_TAG: keys[-1]} if keys else {}
