"""Versions of settings: one version per partition, which Dagster compares with the version of each artefact.

In: the tables in `pipeline` and the user's files, read again at each call. Out: a sha256 per recipe and configuration,
and observations of `<recipe>/settings` for the partitions with a new version. The sha256 covers every value that
decides an artefact, and leaves out descriptions. An edited learning rate is therefore a new version of exactly the
partitions that train with it, and Dagster marks their artefacts as stale.
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

NAME = "settings"  # last part of the asset's key
BUDGET = ("steps", "width", "members", "seed")  # fields that a run chooses
DESCRIBING = ("description", "source")  # fields of an entry that decide no artefact


def settings_key(recipe_key: str) -> dg.AssetKey:
    """Return the key `<recipe>/settings`."""
    return dg.AssetKey([recipe_key, NAME])


def read_versions() -> dict[str, dict[str, str]]:
    """Return the current version of every partition, by recipe and configuration."""
    recipes, optimizers = load_recipes(), load_optimizers()
    return {
        recipe.key: {key: settings_version(recipe, entry) for key, entry in optimizers.items()}
        for recipe in recipes.values()
    }


def settings_version(recipe: Recipe, configuration: OptimizerConfiguration) -> str:
    """Return the sha256 of one partition's settings without its budget, which each run chooses."""
    settings = resolve(recipe, configuration)
    decisive = {name: value for name, value in settings.to_json().items() if name not in BUDGET}
    # With an average of weights, the weights that samples come from decide them too. Older samples used raw weights.
    return _sha256(decisive if settings.ema_decay is None else {**decisive, "drawn_with": AVERAGE})


def loaded_version(recipe_key: str, optimizer: str) -> str:
    """Return the version that this process trains with: that of the tables it loaded when it began."""
    return settings_version(RECIPES[recipe_key], OPTIMIZERS[optimizer])


def read_entry_versions() -> dict[str, str]:
    """Return the current version of each configuration's entry, without any recipe."""
    return {
        key: _sha256({name: value for name, value in entry.to_json().items() if name not in DESCRIBING})
        for key, entry in load_optimizers().items()
    }


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def changed_settings(
    instance: dg.DagsterInstance, versions: Mapping[str, Mapping[str, str]], recipes: Collection[str] = tuple(RECIPES)
) -> list[dg.AssetObservation]:
    """Return an observation of every partition with a version that Dagster has not observed last.

    Recipes and configurations that are missing from the loaded definitions are left out.
    """
    return [
        _observation(recipe, optimizer, version)
        for recipe in recipes
        for observed in [_observed_versions(instance, recipe)]
        for optimizer, version in versions.get(recipe, {}).items()
        if optimizer in OPTIMIZERS and version != observed.get(optimizer)
    ]


def observe_settings(instance: dg.DagsterInstance, recipes: Collection[str] = tuple(RECIPES)) -> list[tuple[str, str]]:
    """Report new versions of these recipes to Dagster, and return the recipe and configuration of each.

    Cost: one query per recipe and one event per new version. Raises `SettingsError` if a table has a mistake.
    """
    observations = changed_settings(instance, read_versions(), recipes)
    for observation in observations:
        instance.report_runless_asset_event(observation)
    return [(observation.asset_key.path[0], str(observation.partition)) for observation in observations]


def _observation(recipe: str, optimizer: str, version: str) -> dg.AssetObservation:
    tags = {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
    return dg.AssetObservation(settings_key(recipe), partition=optimizer, tags=tags)


def _observed_versions(instance: dg.DagsterInstance, recipe: str) -> dict[str, str]:
    """Return the versions that Dagster observed last, by configuration."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        settings_key(recipe), dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
    )
    return {partition: values[DATA_VERSION_TAG] for partition, values in tags.items()}
