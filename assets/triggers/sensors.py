"""Sensors: chains that start because what they are made from changed. Off until they are switched on.

`raw_data` looks at the files that the user named (GANFORGE_MNIST, the paths in GANFORGE_DATASETS, …), by name, size and
time alone; once they are other files than before, and the same at two looks one after the other, it starts the chains
of the recipes in use. `configurations` reads the tables anew at every look and tells Dagster which partitions' settings
changed; the chain starts for exactly these: for an optimizer configuration that was added or changed, of every recipe
in use, and for a recipe that was changed, of the configurations it was trained with. A recipe is in use where it has a
training in the data folder. The first look only remembers what is there. Changes are counted in the run keys, from the
time of the first look on: what is changed there and back runs each time, also after a cursor was reset.

Partitions are known from when the definitions load. The daemon starts its code server anew every minute
(`_daemon/controller.py`, RELOAD_WORKSPACE_INTERVAL), and so reads the tables again: a new entry is seen for a minute at
most before it is known, and the cursor waits for it. The UI shows it after "Reload definitions". A mistake in a table
is the reason why a look is skipped, and from the daemon's next start of the code server on why that does not load.
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
Jobs = Sequence[UnresolvedAssetJobDefinition]  # `build_retraining_job` of every recipe of the settings
SEED = 0  # as a person's run: what changed is the only difference


def build_sensors(chains: Chains, jobs: Jobs, operations: Operations) -> list[dg.SensorDefinition]:
    """Both."""
    return [build_raw_data_sensor(chains, jobs, operations), build_configurations_sensor(chains, jobs, operations)]


# ---------------------------------------------------------------------------------------------------------------------
# Raw data


@dataclass(frozen=True)
class WatchedFiles:
    """What the sensor remembers of the files of each data set, as digests."""

    changes: int
    used: Mapping[str, str | None]  # that chains were started for
    seen: Mapping[str, str | None]  # at the last look


def build_raw_data_sensor(chains: Chains, jobs: Jobs, operations: Operations) -> dg.SensorDefinition:
    """The sensor `raw_data`."""

    @dg.sensor(
        name="raw_data",
        jobs=jobs,
        minimum_interval_seconds=operations.raw_data.interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes the chains of the recipes in use anew once files that you named have changed and settled.",
    )
    def raw_data(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        found = {key: digest(path) for key, path in named_paths(DATASETS.values()).items()}
        if context.cursor is None:
            remembered = WatchedFiles(time.time_ns(), used=found, seen=found)
            return _result([], json.dumps(asdict(remembered)), f"first look: {', '.join(found) or 'no named files'}")
        before = WatchedFiles(**json.loads(context.cursor))
        changed = [key for key, now in found.items() if now is not None and now != before.used.get(key)]
        settled = [key for key in changed if found[key] == before.seen.get(key)]
        after = WatchedFiles(
            before.changes + bool(settled), {**before.used, **{key: found[key] for key in settled}}, found
        )
        requests = [each for key in settled for each in _of_dataset(key, chains, operations, after)]
        return _result(requests, json.dumps(asdict(after)), _about_files(changed, settled))

    return raw_data


def _of_dataset(key: str, chains: Chains, operations: Operations, after: WatchedFiles) -> Iterator[dg.RunRequest]:
    """The chains of the recipes in use that are made from a data set's files."""
    why, retraining = f"raw data {key} {after.used[key]} change {after.changes}", operations.retraining
    for recipe in (RECIPES[each] for each in retraining.recipes):
        if DATASETS[recipe.dataset].raw_key == key:
            trained = trained_configurations(recipe, Paths.default())
            wanted = [each for each in trained if each in retraining.optimizers]
            yield from request_chain(recipe, chains[recipe.key], wanted, retraining, SEED, why)


def _about_files(changed: list[str], settled: list[str]) -> str:
    waiting = [key for key in changed if key not in settled]
    if waiting:
        return f"{', '.join(waiting)}: other files than before; waits until two looks find the same"
    return f"{', '.join(settled)}: other files, but no recipe of theirs is in use" if settled else "nothing new"


# ---------------------------------------------------------------------------------------------------------------------
# Configurations


Versions = Mapping[str, Mapping[str, str]]  # of partitions, by recipe and configuration


@dataclass(frozen=True)
class WatchedTables:
    """What the sensor remembers of the tables."""

    changes: int
    optimizers: Mapping[str, str]  # the version of each entry
    partitions: Versions

    def known(self) -> "WatchedTables":
        """Without what the loaded definitions do not know, which so stays new."""
        optimizers = {key: self.optimizers[key] for key in self.optimizers if key in OPTIMIZERS}
        partitions = {
            recipe: {key: version for key, version in versions.items() if key in OPTIMIZERS}
            for recipe, versions in self.partitions.items()
            if recipe in RECIPES
        }
        return WatchedTables(self.changes, optimizers, partitions)

    def unknown(self) -> list[str]:
        """The recipes and configurations that the loaded definitions do not know."""
        return [
            key
            for table, loaded in ((self.partitions, RECIPES), (self.optimizers, OPTIMIZERS))
            for key in table
            if key not in loaded
        ]


def build_configurations_sensor(chains: Chains, jobs: Jobs, operations: Operations) -> dg.SensorDefinition:
    """The sensor `configurations`."""

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
        requests = list(_of_partitions(before, after, chains, operations.retraining))
        return _result(requests, json.dumps(asdict(after)), _about_tables(now, bool(events)), events)

    return configurations


def _of_partitions(
    before: WatchedTables, after: WatchedTables, chains: Chains, retraining: Retraining
) -> Iterator[dg.RunRequest]:
    """The changed partitions of recipes in use: those trained, and all of configurations that themselves changed."""
    optimizers = _changed(before.optimizers, after.optimizers)
    for recipe in retraining.recipes:
        trained = trained_configurations(RECIPES[recipe], Paths.default())
        changed = _changed(before.partitions.get(recipe, {}), after.partitions.get(recipe, {}))
        wanted = [key for key in changed if trained and key in {*trained, *optimizers} & set(retraining.optimizers)]
        why = f"configurations change {after.changes}"
        yield from request_chain(RECIPES[recipe], chains[recipe], wanted, retraining, SEED, why)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The keys that were added or whose version changed."""
    return [key for key, version in now.items() if before.get(key) != version]


def _about_tables(now: WatchedTables, changed: bool) -> str:
    if now.unknown():
        return (
            f"{', '.join(now.unknown())}: not known to the loaded definitions yet; follows when the daemon loads them "
            "again, within a minute or two, and in the UI after Reload definitions"
        )
    return "changed, but of no recipe in use" if changed else "nothing new"


# ---------------------------------------------------------------------------------------------------------------------
# Shared


def _result(
    requests: list[dg.RunRequest], cursor: str, about: str, events: Sequence[dg.AssetObservation] = ()
) -> dg.SensorResult:
    reason = None if requests else about
    return dg.SensorResult(run_requests=requests, cursor=cursor, skip_reason=reason, asset_events=list(events))
