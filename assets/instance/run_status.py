"""Run status: facts from Dagster's event log, added to the status that the files show.

In: an instance and the asset graph. Out: the statuses of `pipeline.status`, each with two additions: the last attempt
to make the partition if it is in progress, failed or was cancelled, and Dagster's own stale status if it differs.
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

from assets.instance.dead_runs import dead_run_sentence, is_gone
from assets.triggers.failures import error_sentence, is_interruption
from pipeline.status.state import BECAUSE, FAILED, FRESH, MISSING, ORPHAN, STALE, State, Status
from pipeline.status.survey import Survey

AssetPartition = tuple[str, str | None]  # asset, such as "mnist_mlp/generator", and partition
STATES: dict[StaleStatus, State] = {
    StaleStatus.FRESH: FRESH,
    StaleStatus.STALE: STALE,
    StaleStatus.MISSING: MISSING,
}
SHORT_ID = 8  # characters of a run's id, as in the UI


@dataclass(frozen=True)
class Attempt:
    """The last run that was started to make a partition and has not made it."""

    run_id: str
    status: dg.DagsterRunStatus
    reason: str  # error of the step that failed

    @property
    def in_progress(self) -> bool:
        """True if the run may still make the partition."""
        return self.status in IN_PROGRESS_RUN_STATUSES

    def __str__(self) -> str:
        name = f"run {self.run_id[:SHORT_ID]}"
        if self.in_progress:
            return f"{name} is running"
        return (
            f"{name} failed: {self.reason}" if self.status == dg.DagsterRunStatus.FAILURE else f"{name} was cancelled"
        )


def with_dagster(survey: Survey, instance: dg.DagsterInstance, definitions: dg.Definitions) -> Survey:
    """Return the statuses of a survey with Dagster's additions."""
    attempts = last_attempts(instance)
    graph = definitions.resolve_asset_graph()
    now = TemporalContext(effective_dt=get_current_datetime(), last_event_id=None)
    view = AssetGraphView(temporal_context=now, instance=instance, asset_graph=graph)
    resolver = CachingStaleStatusResolver(instance, graph, loading_context=view)

    def completed(status: Status) -> Status:
        attempt = attempts.get((status.asset, status.partition))
        if status.state == ORPHAN:
            return status
        disagreement = _disagreement(status, resolver)
        status = status if disagreement is None else replace(status, notes=(*status.notes, disagreement))
        return status if attempt is None else _after(attempt, status)

    return survey.map_statuses(completed)


def _after(attempt: Attempt, status: Status) -> Status:
    """Return the status with an attempt: the reason if the partition is not fresh, else a note."""
    if attempt.status != dg.DagsterRunStatus.FAILURE or status.state == FRESH:
        return replace(status, notes=(str(attempt), *status.notes))
    return replace(status, state=FAILED, reasons=(str(attempt), *status.reasons))


def _disagreement(status: Status, resolver: CachingStaleStatusResolver) -> str | None:
    """Return a sentence if Dagster's state differs from that of the files, because Dagster sees only events.

    Dagster passes staleness on by one step only. A partition that is stale because its input is stale is therefore no
    disagreement.
    """
    inherited = status.reasons and all(reason.startswith(BECAUSE) for reason in status.reasons)
    if status.state == FAILED or inherited:
        return None
    key = dg.AssetKey(status.asset.split("/"))
    if not resolver.asset_graph.has(key):
        return None
    dagster_state = STATES[resolver.get_status(key, status.partition)]
    if dagster_state == status.state:
        return None
    causes = [cause.reason for cause in resolver.get_stale_causes(key, status.partition)]
    return f"Dagster reports {dagster_state}" + (f": {causes[0]}" if causes else "")


# ---------------------------------------------------------------------------------------------------------------------
# Attempts


def last_attempts(instance: dg.DagsterInstance) -> dict[AssetPartition, Attempt]:
    """Return the newest run per asset partition if it started after the partition was made and did not succeed."""
    planned = _planned_last(instance)
    if not planned:
        return {}
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(set(planned.values()))))
    attempts = {run.run_id: _attempt(instance, run) for run in runs if run.status != dg.DagsterRunStatus.SUCCESS}
    return {partition: attempts[run_id] for partition, run_id in planned.items() if run_id in attempts}


def _attempt(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Attempt:
    """Return the outcome of a run. A run with a dead process has failed, even if Dagster has not recorded that yet."""
    failed = dg.DagsterRunStatus.FAILURE
    if not run.is_finished and is_gone(run):
        return Attempt(run.run_id, failed, dead_run_sentence(run))
    if run.status != failed:
        return Attempt(run.run_id, run.status, "")
    errors = _errors(instance, run.run_id)
    if any(is_interruption(error) for error in errors):
        return Attempt(run.run_id, dg.DagsterRunStatus.CANCELED, "")
    return Attempt(run.run_id, failed, error_sentence(errors[0]) if errors else _message(instance, run.run_id))


def _planned_last(instance: dg.DagsterInstance) -> dict[AssetPartition, str]:
    """Return the run per asset partition, if the partition's last event is that a run plans to make it."""
    storage, log = instance.event_log_storage, SqlEventLogStorageTable.c
    if not isinstance(storage, SqlEventLogStorage):
        return {}
    planned, made = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = (
        db.select(db.func.max(log.id))
        .where(log.asset_key.is_not(None), log.dagster_event_type.in_([planned.value, made.value]))
        .group_by(log.asset_key, log.partition)
    )
    open_plans = db.select(log.asset_key, log.partition, log.run_id).where(
        log.id.in_(newest), log.dagster_event_type == planned.value
    )
    with storage.index_connection() as connection:
        rows = connection.execute(open_plans).all()
    keys = [(dg.AssetKey.from_db_string(row[0]), row[1], row[2]) for row in rows]
    return {(key.to_user_string(), partition): run_id for key, partition, run_id in keys if key is not None}


def _errors(instance: dg.DagsterInstance, run_id: str) -> list[SerializableErrorInfo]:
    """Return the errors of the run's failed steps, the first step's first."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    errors = [entry.get_dagster_event().step_failure_data.error for entry in entries]
    return [error for error in errors if error is not None]


def _message(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the message of a run that failed outside its steps."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    messages = [entry.get_dagster_event().message for entry in entries]
    return " ".join((next(filter(None, messages), None) or "no reason given").split())
