"""Partitions: one a configuration of `pipeline/optimizers.toml` and of the user's own file, in their order; beside them
the other tables that the definitions are built from.

They are read when the definitions load: a new entry is there after a reload of the code location.
"""

import dagster as dg

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

OPTIMIZERS: dict[str, OptimizerConfiguration] = load_optimizers()
RECIPES: dict[str, Recipe] = load_recipes()
PRESETS: dict[str, Preset] = load_presets()
DATASETS: dict[str, Dataset] = load_datasets()
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITIONS = dg.StaticPartitionsDefinition(list(OPTIMIZERS))


def backfill_policy(recipe: Recipe) -> dg.BackfillPolicy:
    """One run for all partitions, which train as one sweep, or one run each where the recipe says `sweep = false`."""
    return dg.BackfillPolicy.single_run() if recipe.sweep else dg.BackfillPolicy.multi_run(1)


def contiguous_ranges(keys: list[str]) -> list[list[str]]:
    """Keys in partition order, split where other partitions lie between them: a run takes one contiguous range."""
    order = list(OPTIMIZERS)
    ranges: list[list[str]] = []
    for key in sorted(set(keys), key=order.index):
        if ranges and order.index(ranges[-1][-1]) == order.index(key) - 1:
            ranges[-1].append(key)
        else:
            ranges.append([key])
    return ranges
