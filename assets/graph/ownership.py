"""Ownership: which runs, schedules and sensors of a Dagster instance are this project's.

`DAGSTER_HOME` may name an instance that other projects use too. This project never stops, fails, deletes or reports
their runs. A run started by a UI, schedule or sensor names its code location, and that decides. Its tags do not: this
project's launcher also tags other projects' runs. A run of `ganforge materialize` names no code location. Its tags show
that it is this project's. A run with neither, such as one that `dagster asset materialize` started, has an unknown
owner and counts as another project's. The one exception is such a run in the data folder's own instance: it is this
project's if it selects only this project's assets.
"""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    InProcessCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState

from assets.graph.partitions import DATASETS, RECIPES
from assets.graph.run_tags import PROCESS_TAG, RECIPE_TAG
from pipeline.storage.paths import Paths

LOCATION, MODULE = "ganforge", "assets.definitions"  # as workspace.yaml names them


def is_in_data_folder(home: Path) -> bool:
    """Return whether `home` is the folder of the data folder's own instance."""
    return home.resolve() == Paths.default().dagster().resolve()


def is_own_run(run: dg.DagsterRun) -> bool:
    """Return whether this project certainly started the run."""
    if run.remote_job_origin is not None:
        location = run.remote_job_origin.repository_origin.code_location_origin
        # Another project may have a module of this name too, so a location named after the module alone is no proof.
        return is_own_location(location) and (location.location_name == LOCATION or _selects_own_assets(run))
    names_itself = run.tags.get(PROCESS_TAG, "").partition(" ")[0] == run.run_id  # a repeated run inherits the tag
    return names_itself or RECIPE_TAG in run.tags


def is_own_run_of(home: Path, run: dg.DagsterRun) -> bool:
    """Return whether this project started the run, or probably did.

    A run with an unknown owner counts if the instance in the folder `home` is the data folder's and the run selects
    assets of this project only.
    """
    if is_own_run(run):
        return True
    is_untagged = run.remote_job_origin is None and PROCESS_TAG not in run.tags
    return is_untagged and is_in_data_folder(home) and _selects_own_assets(run)


def _selects_own_assets(run: dg.DagsterRun) -> bool:
    return bool(run.asset_selection) and all(map(is_own_asset, run.asset_selection or ()))


def is_own_instigator(state: InstigatorState) -> bool:
    """Return whether a schedule or sensor belongs to this project's code location."""
    return is_own_location(state.origin.repository_origin.code_location_origin)


def is_own_location(origin: CodeLocationOrigin) -> bool:
    """Return whether a code location is this project's.

    It has this project's module, under this project's name or under the module's, as `dagster dev -m
    assets.definitions` names it. The origin of a location that is a file, or a code server that somebody else started,
    names no module. In that case the location's name decides.
    """
    if isinstance(origin, (InProcessCodeLocationOrigin, ManagedGrpcPythonEnvCodeLocationOrigin)):
        target = origin.loadable_target_origin
        module = target.module_name or target.package_name
        if module is not None:
            return module == MODULE and origin.location_name in (LOCATION, MODULE)
    return origin.location_name == LOCATION


def is_own_asset(key: dg.AssetKey) -> bool:
    """Return whether an asset's key begins with one of this project's recipes or data sets."""
    return key.path[0] in RECIPES or key.path[0] in DATASETS


@dataclass(frozen=True)
class Sharing:
    """Why other projects may use an instance, and what to do if they do not: parts of a sentence."""

    reason: str
    remedy: str


def reason_to_share(instance: dg.DagsterInstance, home: Path) -> Sharing | None:
    """Return why other projects may use the instance in the folder `home`; None if only this project does."""
    if not is_in_data_folder(home):
        own = Paths.default().dagster()
        return Sharing("it lies outside the data folder", f"if only ganforge uses it, move its files to {own}")
    for state in instance.all_instigator_state():
        if not is_own_instigator(state):
            return Sharing(
                f"it holds {state.instigator_name} of another code location",
                "if no other project uses it any more, `dagster schedule wipe` deletes the states of all schedules and "
                "sensors, ganforge's too",
            )
    for run in instance.get_runs():
        if not is_own_run_of(home, run):
            return Sharing(
                f"it holds run {run.run_id} of {run.job_name}, which this project did not start",
                "if that run is yours, delete it in the UI and repeat this command",
            )
    return None
