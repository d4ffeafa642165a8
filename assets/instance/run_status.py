"""Stored status: what Dagster knows of each asset partition beside what the files say.

In: an instance and the asset graph. Out: the statuses of `pipeline.status` with what its event log adds: an attempt
that is in progress, or was the last one and failed or was cancelled (the run, and what its step said), and where
Dagster's own stale status is another.
"""

from dataclasses import dataclass, replace

import dagster as dg
import sqlalchemy as db
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._time import get_current_datetime
from dagster_shared.error import SerializableErrorInfo

from assets.instance.dead_runs import is_gone, told
from assets.triggers.failures import is_interruption, own_sentence
from pipeline.status.state import BECAUSE, FAILED, FRESH, MISSING, ORPHAN, STALE, State, Status
from pipeline.status.survey import Survey

Partition = tuple[str, str | None]  # asset, such as "mnist_mlp/generator", and partition
STATES: dict[StaleStatus, State] = {
    StaleStatus.FRESH: FRESH,
    StaleStatus.STALE: STALE,
    StaleStatus.MISSING: MISSING,
}
SHOWN_ID = 8  # characters of a run's id, as the UI has it


@dataclass(frozen=True)
class Attempt:
    """The last run that set out to make a partition, and did not."""

    run_id: str
    status: dg.DagsterRunStatus
    reason: str  # what the step that failed said

    @property
    def in_progress(self) -> bool:
        """Whether it may still make it."""
        return self.status in IN_PROGRESS_RUN_STATUSES

    def __str__(self) -> str:
        name = f"run {self.run_id[:SHOWN_ID]}"
        if self.in_progress:
            return f"{name} is at it"
        return (
            f"{name} failed: {self.reason}" if self.status == dg.DagsterRunStatus.FAILURE else f"{name} was cancelled"
        )


def with_dagster(found: Survey, instance: dg.DagsterInstance, definitions: dg.Definitions) -> Survey:
    """The same statuses, each with what Dagster adds."""
    attempts = last_attempts(instance)
    graph = definitions.resolve_asset_graph()
    now = TemporalContext(effective_dt=get_current_datetime(), last_event_id=None)
    view = AssetGraphView(temporal_context=now, instance=instance, asset_graph=graph)
    resolver = CachingStaleStatusResolver(instance, graph, loading_context=view)

    def completed(status: Status) -> Status:
        attempt = attempts.get((status.asset, status.partition))
        if status.state == ORPHAN:
            return status
        said = _disagreement(status, resolver)
        status = status if said is None else replace(status, notes=(*status.notes, said))
        return status if attempt is None else _after(attempt, status)

    return found.map_statuses(completed)


def _after(attempt: Attempt, status: Status) -> Status:
    """A failed attempt is why something is not there or not fresh; where the files are fresh it is a note."""
    if attempt.status != dg.DagsterRunStatus.FAILURE or status.state == FRESH:
        return replace(status, notes=(str(attempt), *status.notes))
    return replace(status, state=FAILED, reasons=(str(attempt), *status.reasons))


def _disagreement(status: Status, resolver: CachingStaleStatusResolver) -> str | None:
    """What Dagster calls it, where that is another state than the files': it sees events, not files.

    It hands staleness on by one step only, so what is stale because of something stale is no disagreement.
    """
    inherited = status.reasons and all(reason.startswith(BECAUSE) for reason in status.reasons)
    if status.state == FAILED or inherited:
        return None
    key = dg.AssetKey(status.asset.split("/"))
    if not resolver.asset_graph.has(key):
        return None
    dagsters = STATES[resolver.get_status(key, status.partition)]
    if dagsters == status.state:
        return None
    why = [cause.reason for cause in resolver.get_stale_causes(key, status.partition)]
    return f"Dagster says {dagsters}" + (f": {why[0]}" if why else "")


# ---------------------------------------------------------------------------------------------------------------------
# Attempts


def last_attempts(instance: dg.DagsterInstance) -> dict[Partition, Attempt]:
    """Of each asset partition that a run set out to make after it was last made: that run, unless it succeeded."""
    planned = _planned_last(instance)
    if not planned:
        return {}
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(set(planned.values()))))
    attempts = {run.run_id: _attempt(instance, run) for run in runs if run.status != dg.DagsterRunStatus.SUCCESS}
    return {partition: attempts[run_id] for partition, run_id in planned.items() if run_id in attempts}


def _attempt(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Attempt:
    """What became of a run. One whose process is gone has failed, although nobody has noted that yet."""
    failed = dg.DagsterRunStatus.FAILURE
    if not run.is_finished and is_gone(run):
        return Attempt(run.run_id, failed, told(run))
    if run.status != failed:
        return Attempt(run.run_id, run.status, "")
    errors = _errors(instance, run.run_id)
    if any(is_interruption(error) for error in errors):
        return Attempt(run.run_id, dg.DagsterRunStatus.CANCELED, "")
    return Attempt(run.run_id, failed, own_sentence(errors[0]) if errors else _message(instance, run.run_id))


def _planned_last(instance: dg.DagsterInstance) -> dict[Partition, str]:
    """The run by asset partition, where the last thing known of it is that a run was to make it."""
    storage, log = instance.event_log_storage, SqlEventLogStorageTable.c
    if not isinstance(storage, SqlEventLogStorage):
        return {}
    planned, made = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = (
        db.select(db.func.max(log.id))
        .where(log.asset_key.is_not(None), log.dagster_event_type.in_([planned.value, made.value]))
        .group_by(log.asset_key, log.partition)
    )
    wanted = db.select(log.asset_key, log.partition, log.run_id).where(
        log.id.in_(newest), log.dagster_event_type == planned.value
    )
    with storage.index_connection() as connection:
        rows = connection.execute(wanted).all()
    keys = [(dg.AssetKey.from_db_string(row[0]), row[1], row[2]) for row in rows]
    return {(key.to_user_string(), partition): run_id for key, partition, run_id in keys if key is not None}


def _errors(instance: dg.DagsterInstance, run_id: str) -> list[SerializableErrorInfo]:
    """What the steps that failed raised, the first one's first."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    found = [entry.get_dagster_event().step_failure_data.error for entry in entries]
    return [error for error in found if error is not None]


def _message(instance: dg.DagsterInstance, run_id: str) -> str:
    """What a run that failed outside its steps says of itself."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    messages = [entry.get_dagster_event().message for entry in entries]
    return " ".join((next(filter(None, messages), None) or "no reason given").split())
