"""Settings' versions: what the tables say of every partition now, as a version that Dagster compares.

In: the tables in `pipeline` and the user's own, read anew at each call, not as they were when the definitions loaded.
Out: a sha256 for each recipe and configuration over everything in them that decides what is made, so not over
descriptions; and observations of `<recipe>/settings` for those that changed. An edited rate is thereby a new version of
exactly the partitions that it decides, and what was made under the old one is stale.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_IS_USER_PROVIDED_TAG, DATA_VERSION_TAG

from assets.graph.partitions import OPTIMIZERS, RECIPES
from pipeline.settings import OptimizerConfiguration, Recipe, load_optimizers, load_recipes, resolve
from pipeline.training.kinds_of_weights import AVERAGE

NAME = "settings"  # of the asset, behind its recipe
BUDGET = ("steps", "width", "members", "seed")
DESCRIBING = ("description", "source")  # fields of an entry that decide nothing


def settings_key(recipe_key: str) -> dg.AssetKey:
    """`<recipe>/settings`."""
    return dg.AssetKey([recipe_key, NAME])


def read_versions() -> dict[str, dict[str, str]]:
    """The version of each recipe's partitions, by recipe and configuration, as the tables say now."""
    recipes, optimizers = load_recipes(), load_optimizers()
    return {
        recipe.key: {key: settings_version(recipe, entry) for key, entry in optimizers.items()}
        for recipe in recipes.values()
    }


def settings_version(recipe: Recipe, configuration: OptimizerConfiguration) -> str:
    """sha256 over what the tables decide of one partition, without the budget: that is what a run asks for."""
    settings = resolve(recipe, configuration)
    decided = {name: value for name, value in settings.to_json().items() if name not in BUDGET}
    return _sha256(decided if settings.ema_decay is None else {**decided, "drawn_with": AVERAGE})


def loaded_version(recipe_key: str, optimizer: str) -> str:
    """The version of what this process trains with: the tables as they were when it began."""
    return settings_version(RECIPES[recipe_key], OPTIMIZERS[optimizer])


def read_entry_versions() -> dict[str, str]:
    """The version of each entry of the optimizer configurations by itself, as the table says now."""
    return {
        key: _sha256({name: value for name, value in entry.to_json().items() if name not in DESCRIBING})
        for key, entry in load_optimizers().items()
    }


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def changed_settings(
    instance: dg.DagsterInstance, versions: Mapping[str, Mapping[str, str]], recipes: Collection[str] = tuple(RECIPES)
) -> list[dg.AssetObservation]:
    """An observation of every partition whose version is another than the one that Dagster last saw.

    Recipes and configurations that the loaded definitions do not know yet are left out.
    """
    return [
        _observation(recipe, optimizer, version)
        for recipe in recipes
        for observed in [_observed(instance, recipe)]
        for optimizer, version in versions.get(recipe, {}).items()
        if optimizer in OPTIMIZERS and version != observed.get(optimizer)
    ]


def observe_settings(instance: dg.DagsterInstance, recipes: Collection[str] = tuple(RECIPES)) -> list[tuple[str, str]]:
    """Tell Dagster what changed in the tables of these recipes; the recipe and configuration of each change.

    Cost: a query a recipe, and an event a change. Raises `SettingsError` where a table has a mistake.
    """
    observations = changed_settings(instance, read_versions(), recipes)
    for observation in observations:
        instance.report_runless_asset_event(observation)
    return [(observation.asset_key.path[0], str(observation.partition)) for observation in observations]


def _observation(recipe: str, optimizer: str, version: str) -> dg.AssetObservation:
    tags = {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
    return dg.AssetObservation(settings_key(recipe), partition=optimizer, tags=tags)


def _observed(instance: dg.DagsterInstance, recipe: str) -> dict[str, str]:
    """The versions that Dagster last saw, by configuration."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        settings_key(recipe), dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
    )
    return {partition: found[DATA_VERSION_TAG] for partition, found in tags.items()}
