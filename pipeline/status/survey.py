"""Survey: the statuses of all assets, recipe by recipe.

In: the tables and the data folder. Out: `Survey`: data sets, recipes in use, configurations that were not begun, and
orphans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.raw.catalogue import load_datasets
from pipeline.raw.dataset import Dataset
from pipeline.reports.store import partition_folder
from pipeline.settings import OptimizerConfiguration, Recipe, load_optimizers, load_recipes
from pipeline.status.datasets import dataset_statuses
from pipeline.status.orphans import Orphan, find_orphans
from pipeline.status.partitions import StoredPartition, partition_statuses
from pipeline.status.recipes import champion_status, comparison_status
from pipeline.status.state import NOT_DONE, ORPHAN, AssetFolder, Status
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.tables import find


@dataclass(frozen=True)
class RecipeStatus:
    """The statuses of one recipe."""

    recipe: str
    statuses: tuple[Status, ...]  # of configurations that were begun, comparison and champion
    not_begun: tuple[str, ...]  # configurations without any artefact

    @property
    def in_use(self) -> bool:
        """True if any of its assets was begun."""
        return bool(self.statuses)


@dataclass(frozen=True)
class Survey:
    """The statuses of data sets, recipes and orphans."""

    datasets: Mapping[str, tuple[Status, ...]]  # by key, the data sets of the recipes
    recipes: tuple[RecipeStatus, ...]
    orphans: tuple[Status, ...]

    def statuses(self) -> list[Status]:
        """Return all statuses, in the order of the flow."""
        datasets = [status for statuses in self.datasets.values() for status in statuses]
        return [*datasets, *(status for recipe in self.recipes for status in recipe.statuses), *self.orphans]

    def map_statuses(self, change: Callable[[Status], Status]) -> Survey:
        """Return a survey in which every status is replaced by its `change`."""
        recipes = tuple(replace(recipe, statuses=tuple(map(change, recipe.statuses))) for recipe in self.recipes)
        datasets = {key: tuple(map(change, statuses)) for key, statuses in self.datasets.items()}
        return Survey(datasets, recipes, tuple(map(change, self.orphans)))

    def is_done(self) -> bool:
        """Return whether no asset is stale, missing or failed."""
        return not any(status.state in NOT_DONE for status in self.statuses())


def survey(paths: Paths, recipes: Sequence[str] = (), *, not_begun: bool = False, verify: bool = False) -> Survey:
    """Return the statuses of the named recipes, or of all.

    Recipes and configurations that were not begun are left out, unless `not_begun` is true or the recipe is named. With
    `verify` every file's sha256 is compared too, which reads all files. Raises `SettingsError` for a mistake in a
    table, and for a recipe that no table has.
    """
    all_recipes, optimizers, datasets = load_recipes(), load_optimizers(), load_datasets()
    chosen = [find(all_recipes, key, "recipe") for key in recipes] or list(all_recipes.values())
    by_dataset: dict[str, dict[str, Status]] = {}
    recipe_statuses = []
    for recipe in chosen:
        dataset = find(datasets, recipe.dataset, f"recipe {recipe.key!r}: data set")
        partitions = [StoredPartition(recipe, configuration, paths, verify) for configuration in optimizers.values()]
        partitions = partitions if not_begun else [partition for partition in partitions if _has_begun(partition)]
        if partitions or recipe.key in recipes:
            if dataset.key not in by_dataset:
                by_dataset[dataset.key] = dataset_statuses(dataset, paths, verify=verify)
            recipe_statuses.append(
                _recipe_status(recipe, partitions, optimizers, by_dataset[dataset.key], paths, verify)
            )
        else:
            recipe_statuses.append(RecipeStatus(recipe.key, (), tuple(optimizers)))
    orphans = (
        () if recipes else tuple(_orphan_status(orphan) for orphan in find_orphans(all_recipes, optimizers, paths))
    )
    return Survey(_without_repetitions(by_dataset, datasets), tuple(recipe_statuses), tuple(orphans))


def _has_begun(partition: StoredPartition) -> bool:
    report = partition_folder(partition.paths.reports(), partition.recipe.key, partition.key)
    return partition.has_begun() or report.exists()


def _recipe_status(
    recipe: Recipe,
    partitions: Sequence[StoredPartition],
    optimizers: Mapping[str, OptimizerConfiguration],
    dataset: Mapping[str, Status],
    paths: Paths,
    verify: bool,
) -> RecipeStatus:
    scored = "classifier" in dataset or "inception_reference" in dataset
    statuses = [status for partition in partitions for status in partition_statuses(partition, dataset, scored=scored)]
    reports = [status for status in statuses if status.asset.endswith("/report")]
    if scored:
        statuses.append(comparison_status(recipe, list(optimizers), reports, paths, verify=verify))
        statuses.append(champion_status(recipe, list(optimizers), reports, paths, verify=verify))
    keys = {partition.key for partition in partitions}
    return RecipeStatus(recipe.key, tuple(statuses), tuple(key for key in optimizers if key not in keys))


def _without_repetitions(
    by_dataset: Mapping[str, Mapping[str, Status]], datasets: Mapping[str, Dataset]
) -> dict[str, tuple[Status, ...]]:
    """List raw files that several data sets are prepared from once, with the data set they belong to."""
    listed: dict[str, tuple[Status, ...]] = {}
    for key, statuses in by_dataset.items():
        elsewhere = datasets[key].raw_key != key and datasets[key].raw_key in by_dataset
        listed[key] = tuple(status for name, status in statuses.items() if name != "raw" or not elsewhere)
    return listed


def _orphan_status(orphan: Orphan) -> Status:
    stored = AssetFolder(orphan.asset, orphan.optimizer, orphan.folder, read_artefact(orphan.folder))
    return stored.status(ORPHAN, (orphan.reason,))
