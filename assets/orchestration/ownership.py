"""Ownership: which runs, schedules and sensors of a Dagster instance are this project's.

`DAGSTER_HOME` may name an instance that other projects use too. This project never stops, fails, deletes or reports
their runs. The code location decides where a run names one, as every run does that a UI, schedule or sensor started:
this project's launcher tags every run that it starts, also another project's. A run of `ganforge materialize` names no
code location and is known by its tags. A run with neither has an unknown owner and counts as another project's.
"""

from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    InProcessCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState

from assets.orchestration.partitions import DATASETS, RECIPES
from assets.orchestration.run_tags import PROCESS_TAG, RECIPE_TAG
from pipeline.storage.paths import Paths

LOCATION, MODULE = "ganforge", "assets.definitions"  # as workspace.yaml names them


def is_own_run(run: dg.DagsterRun) -> bool:
    """True if this project made the run."""
    if run.remote_job_origin is not None:
        return is_own_location(run.remote_job_origin.repository_origin.code_location_origin)
    names_itself = run.tags.get(PROCESS_TAG, "").partition(" ")[0] == run.run_id  # a repeated run inherits the tag
    return names_itself or RECIPE_TAG in run.tags


def is_own_instigator(state: InstigatorState) -> bool:
    """True if a schedule or sensor belongs to this project's code location."""
    return is_own_location(state.origin.repository_origin.code_location_origin)


def is_own_location(origin: CodeLocationOrigin) -> bool:
    """True if a code location is this project's.

    Its module decides: `dagster dev -m assets.definitions` gives the location another name. The origin of a location
    that is a file, or a code server that somebody else started, names no module. There the name decides.
    """
    if isinstance(origin, (InProcessCodeLocationOrigin, ManagedGrpcPythonEnvCodeLocationOrigin)):
        target = origin.loadable_target_origin
        module = target.module_name or target.package_name
        if module is not None:
            return module == MODULE
    return origin.location_name == LOCATION


def is_own_asset(key: dg.AssetKey) -> bool:
    """True if an asset's key begins with one of this project's recipes or data sets."""
    return key.path[0] in RECIPES or key.path[0] in DATASETS


def reason_to_share(instance: dg.DagsterInstance, home: Path) -> str | None:
    """Why the instance in the folder `home` may be another project's too; None where it is this project's alone."""
    if home.resolve() != Paths.default().dagster().resolve():
        return "it lies outside the data folder"
    for state in instance.all_instigator_state():
        if not is_own_instigator(state):
            return f"it holds {state.instigator_name} of another code location"
    for run in instance.get_runs():
        if not is_own_run(run):
            return f"it holds run {run.run_id} of {run.job_name}, which this project did not start"
    return None
