"""Survey: the statuses of everything there is, recipe by recipe.

In: the tables and the data folder. Out: `Survey`: data sets, recipes in use, what was not begun, and orphans.
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
from pipeline.status.partitions import Partition, partition_statuses
from pipeline.status.recipes import champion_status, comparison_status
from pipeline.status.state import NOT_DONE, ORPHAN, Status, Subject
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.tables import find


@dataclass(frozen=True)
class RecipeStatus:
    """One recipe."""

    recipe: str
    statuses: tuple[Status, ...]  # of configurations that were begun, comparison and champion
    not_begun: tuple[str, ...]  # configurations of which there is nothing

    @property
    def in_use(self) -> bool:
        """Whether anything of it was begun."""
        return bool(self.statuses)


@dataclass(frozen=True)
class Survey:
    """All of it."""

    datasets: Mapping[str, tuple[Status, ...]]  # those of the recipes, by key
    recipes: tuple[RecipeStatus, ...]
    orphans: tuple[Status, ...]

    def statuses(self) -> list[Status]:
        """Of every asset partition that was looked at, in the order of the flow."""
        of_datasets = [status for statuses in self.datasets.values() for status in statuses]
        return [*of_datasets, *(status for each in self.recipes for status in each.statuses), *self.orphans]

    def mapped(self, change: Callable[[Status], Status]) -> Survey:
        """The same with every status changed."""
        recipes = tuple(replace(each, statuses=tuple(map(change, each.statuses))) for each in self.recipes)
        datasets = {key: tuple(map(change, statuses)) for key, statuses in self.datasets.items()}
        return Survey(datasets, recipes, tuple(map(change, self.orphans)))

    def is_done(self) -> bool:
        """Whether nothing is stale, missing or failed."""
        return not any(status.state in NOT_DONE for status in self.statuses())


def survey(paths: Paths, recipes: Sequence[str] = (), *, whole: bool = False, verify: bool = False) -> Survey:
    """The recipes named, else all; `whole` takes in those, and the configurations, that were not begun.

    A recipe that is named is looked at whether it was begun or not. With `verify` every file's sha256 is checked too,
    which reads all of them. Raises `SettingsError` for a mistake in a table, and for a recipe that no table has.
    """
    known, optimizers, datasets = load_recipes(), load_optimizers(), load_datasets()
    chosen = [find(known, key, "recipe") for key in recipes] or list(known.values())
    made: dict[str, dict[str, Status]] = {}
    found = []
    for recipe in chosen:
        dataset = find(datasets, recipe.dataset, f"recipe {recipe.key!r}: data set")
        begun = [Partition(recipe, each, paths, verify) for each in optimizers.values()]
        begun = begun if whole else [each for each in begun if _has_begun(each)]
        if begun or recipe.key in recipes:
            if dataset.key not in made:
                made[dataset.key] = dataset_statuses(dataset, paths, verify=verify)
            found.append(_recipe(recipe, begun, optimizers, made[dataset.key], paths, verify))
        else:
            found.append(RecipeStatus(recipe.key, (), tuple(optimizers)))
    left = () if recipes else tuple(_orphan(each) for each in find_orphans(known, optimizers, paths))
    return Survey(_without_repeats(made, datasets), tuple(found), left)


def _has_begun(partition: Partition) -> bool:
    report = partition_folder(partition.paths.reports(), partition.recipe.key, partition.key)
    return partition.has_begun() or report.exists()


def _recipe(
    recipe: Recipe,
    begun: Sequence[Partition],
    optimizers: Mapping[str, OptimizerConfiguration],
    dataset: Mapping[str, Status],
    paths: Paths,
    verify: bool,
) -> RecipeStatus:
    scored = "classifier" in dataset or "inception_reference" in dataset
    of_partitions = [status for each in begun for status in partition_statuses(each, dataset, scored=scored)]
    statuses = list(of_partitions)
    reports = [status for status in of_partitions if status.asset.endswith("/report")]
    if scored:
        comparison = comparison_status(recipe, list(optimizers), reports, paths, verify=verify)
        champion = champion_status(recipe, list(optimizers), reports, paths, verify=verify)
        statuses += [comparison, champion]
    keys = {each.key for each in begun}
    return RecipeStatus(recipe.key, tuple(statuses), tuple(key for key in optimizers if key not in keys))


def _without_repeats(
    made: Mapping[str, Mapping[str, Status]], datasets: Mapping[str, Dataset]
) -> dict[str, tuple[Status, ...]]:
    """Raw files that several data sets are prepared from are listed once, with the one they belong to."""
    shown: dict[str, tuple[Status, ...]] = {}
    for key, statuses in made.items():
        elsewhere = datasets[key].raw_key != key and datasets[key].raw_key in made
        shown[key] = tuple(status for name, status in statuses.items() if name != "raw" or not elsewhere)
    return shown


def _orphan(found: Orphan) -> Status:
    subject = Subject(found.asset, found.optimizer, found.folder, read_artefact(found.folder))
    return subject.status(ORPHAN, (found.why,))
