"""Sensors: start chains because their inputs changed. They are off until a person switches them on.

`raw_data` checks name, size and time of the files that the user named (GANFORGE_MNIST, the paths in GANFORGE_DATASETS,
…). Once they have changed and two ticks in a row find the same files, it starts the chains of the recipes in use.

`configurations` reads the tables again at every tick and records in Dagster the partitions with changed settings. It
starts the chain for exactly these. A new or changed optimizer configuration starts it for every recipe in use. A
changed recipe starts it for the configurations that were trained with it.

A recipe is in use if it has a training in the data folder. The first tick only remembers the present state. Changes are
counted in the run keys, from the time of the first tick on. A change and its reversal therefore both start runs, also
after a cursor was reset.

Partitions are known from when the definitions load. The daemon restarts its code server every minute
(`_daemon/controller.py`, RELOAD_WORKSPACE_INTERVAL), and thereby reads the tables again. A sensor may see a new entry
up to a minute before the definitions know it, and its cursor waits for that. The UI shows the entry after "Reload
definitions". A mistake in a table is the reason for a skipped tick. After the next restart of the code server it is
also the reason why the definitions do not load.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.graph.partitions import DATASETS, OPTIMIZERS, RECIPES
from assets.publishing.settings_versions import changed_settings, read_entry_versions, read_versions
from assets.triggers.operations import Operations, Retraining
from assets.triggers.requests import request_chain, trained_configurations
from assets.triggers.watched_files import digest, named_paths
from pipeline.storage.paths import Paths
from pipeline.tables import SettingsError

Chains = Mapping[str, Sequence[dg.AssetKey]]  # by recipe
Jobs = Sequence[UnresolvedAssetJobDefinition]  # the retraining job of every recipe of the settings
SEED = 0  # the default of a person's run, so that the change is the only difference


def build_sensors(chains: Chains, jobs: Jobs, operations: Operations) -> list[dg.SensorDefinition]:
    """Return the sensors `raw_data` and `configurations`."""
    return [build_raw_data_sensor(chains, jobs, operations), build_configurations_sensor(chains, jobs, operations)]


# ---------------------------------------------------------------------------------------------------------------------
# Raw data


@dataclass(frozen=True)
class WatchedFiles:
    """Digests of each data set's files, which the sensor keeps in its cursor."""

    changes: int
    used: Mapping[str, str | None]  # digests for which chains were started
    seen: Mapping[str, str | None]  # digests at the last tick; stored cursors have this key


def build_raw_data_sensor(chains: Chains, jobs: Jobs, operations: Operations) -> dg.SensorDefinition:
    """Return the sensor `raw_data`."""

    @dg.sensor(
        name="raw_data",
        jobs=jobs,
        minimum_interval_seconds=operations.raw_data.interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes the chains of the recipes in use again once files that you named have changed and settled.",
    )
    def raw_data(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        digests = {key: digest(path) for key, path in named_paths(DATASETS.values()).items()}
        if context.cursor is None:
            first = WatchedFiles(time.time_ns(), used=digests, seen=digests)
            return _result([], json.dumps(asdict(first)), f"first look: {', '.join(digests) or 'no named files'}")
        before = WatchedFiles(**json.loads(context.cursor))
        changed = [key for key, now in digests.items() if now is not None and now != before.used.get(key)]
        settled = [key for key in changed if digests[key] == before.seen.get(key)]
        used = {**before.used, **{key: digests[key] for key in settled}}
        after = WatchedFiles(before.changes + bool(settled), used, digests)
        requests = [request for key in settled for request in _dataset_requests(key, chains, operations, after)]
        return _result(requests, json.dumps(asdict(after)), _about_files(changed, settled))

    return raw_data


def _dataset_requests(key: str, chains: Chains, operations: Operations, after: WatchedFiles) -> Iterator[dg.RunRequest]:
    """Yield requests for the chains of the recipes in use that are made from a data set's files."""
    why, retraining = f"raw data {key} {after.used[key]} change {after.changes}", operations.retraining
    for recipe in (RECIPES[recipe_key] for recipe_key in retraining.recipes):
        if DATASETS[recipe.dataset].raw_key == key:
            trained = trained_configurations(recipe, Paths.default())
            optimizers = [optimizer for optimizer in trained if optimizer in retraining.optimizers]
            yield from request_chain(recipe, chains[recipe.key], optimizers, retraining, SEED, why)


def _about_files(changed: list[str], settled: list[str]) -> str:
    waiting = [key for key in changed if key not in settled]
    if waiting:
        return f"{', '.join(waiting)}: the files changed; waits until two ticks find the same files"
    return f"{', '.join(settled)}: the files changed, but no recipe in use needs them" if settled else "no change"


# ---------------------------------------------------------------------------------------------------------------------
# Configurations


Versions = Mapping[str, Mapping[str, str]]  # of partitions, by recipe and configuration


@dataclass(frozen=True)
class WatchedTables:
    """Versions of the tables' entries, which the sensor keeps in its cursor."""

    changes: int
    optimizers: Mapping[str, str]  # the version of each entry
    partitions: Versions

    def known(self) -> "WatchedTables":
        """Return only the entries that the loaded definitions know. Unknown entries stay new until they are loaded."""
        optimizers = {key: self.optimizers[key] for key in self.optimizers if key in OPTIMIZERS}
        partitions = {
            recipe: {key: version for key, version in versions.items() if key in OPTIMIZERS}
            for recipe, versions in self.partitions.items()
            if recipe in RECIPES
        }
        return WatchedTables(self.changes, optimizers, partitions)

    def unknown(self) -> list[str]:
        """Return the recipes and configurations that the loaded definitions do not know."""
        return [
            key
            for table, loaded in ((self.partitions, RECIPES), (self.optimizers, OPTIMIZERS))
            for key in table
            if key not in loaded
        ]


def build_configurations_sensor(chains: Chains, jobs: Jobs, operations: Operations) -> dg.SensorDefinition:
    """Return the sensor `configurations`."""

    @dg.sensor(
        name="configurations",
        jobs=jobs,
        minimum_interval_seconds=operations.configurations.interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes the chain of exactly the partitions whose settings in the tables were added or changed.",
    )
    def configurations(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            now = WatchedTables(time.time_ns(), read_entry_versions(), read_versions())
        except SettingsError as error:
            return dg.SkipReason(str(error))
        events = changed_settings(context.instance, now.partitions)
        if context.cursor is None:
            return _result([], json.dumps(asdict(now.known())), "first look", events)
        before = WatchedTables(**json.loads(context.cursor))
        same = replace(now.known(), changes=before.changes)
        after = same if same == before else replace(same, changes=before.changes + 1)
        requests = list(_partition_requests(before, after, chains, operations.retraining))
        return _result(requests, json.dumps(asdict(after)), _about_tables(now, bool(events)), events)

    return configurations


def _partition_requests(
    before: WatchedTables, after: WatchedTables, chains: Chains, retraining: Retraining
) -> Iterator[dg.RunRequest]:
    """Yield requests for the changed partitions of recipes in use: trained ones, and new or changed configurations."""
    optimizers = _changed(before.optimizers, after.optimizers)
    for recipe in retraining.recipes:
        trained = trained_configurations(RECIPES[recipe], Paths.default())
        changed = _changed(before.partitions.get(recipe, {}), after.partitions.get(recipe, {}))
        candidates = {*trained, *optimizers} & set(retraining.optimizers)
        requested = [key for key in changed if trained and key in candidates]
        why = f"configurations change {after.changes}"
        yield from request_chain(RECIPES[recipe], chains[recipe], requested, retraining, SEED, why)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the keys that were added or have a different version."""
    return [key for key, version in now.items() if before.get(key) != version]


def _about_tables(now: WatchedTables, changed: bool) -> str:
    if now.unknown():
        return (
            f"{', '.join(now.unknown())}: not known to the loaded definitions yet; follows when the daemon loads them "
            "again, within a minute or two, and in the UI after Reload definitions"
        )
    return "changed, but no recipe in use needs it" if changed else "no change"


# ---------------------------------------------------------------------------------------------------------------------
# Shared


def _result(
    requests: list[dg.RunRequest], cursor: str, about: str, events: Sequence[dg.AssetObservation] = ()
) -> dg.SensorResult:
    reason = None if requests else about
    return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=reason, asset_events=list(events))
