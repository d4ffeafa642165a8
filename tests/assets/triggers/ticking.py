"""Ticks without a daemon: evaluate schedules and sensors at a given time, in this process; runs stay queued."""

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def without_waiting_for_the_disk(connection: object, _: object) -> None:
    """Dagster commits every tick, and no test survives a power cut anyway."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
QUEUE = {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}


@dataclass
class Ticking:
    """The real definitions in a workspace of this process."""

    instance: dg.DagsterInstance
    context: WorkspaceProcessContext
    now: datetime = START

    def switch_on(self, name: str, kind: str) -> None:
        """A schedule or sensor, as in the UI."""
        (location,) = self.context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        with freeze_time(self.now):
            if kind == "schedule":
                self.instance.start_schedule(repository.get_schedule(name))
            else:
                self.instance.start_sensor(repository.get_sensor(name))

    def pass_time(self, **elapsed: float) -> list[dg.DagsterRun]:
        """The daemon's next look after that much time; the runs that it queued, in their order."""
        before = {run.run_id for run in self.instance.get_runs()}
        self.now += timedelta(**elapsed)
        log = logging.getLogger("ticking")
        with freeze_time(self.now):
            list(launch_scheduled_runs(self.context, log, self.now, iteration_times={}))
            list(execute_sensor_iteration(self.context, log, threadpool_executor=None, submit_threadpool_executor=None))
        return [run for run in reversed(self.instance.get_runs()) if run.run_id not in before]

    def last_tick(self, name: str) -> InstigatorTick:
        """Return the last tick of a schedule or sensor."""
        (state,) = [state for state in self.instance.all_instigator_state() if state.name == name]
        (tick,) = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        return tick


def ops_of(run: dg.DagsterRun) -> Mapping[str, object]:
    """The part of a run's config that configures its ops."""
    ops = run.run_config["ops"]
    assert isinstance(ops, Mapping)
    return ops


@contextmanager
def ticking(definitions: str = "assets.definitions") -> Iterator[Ticking]:
    """Over an instance of its own."""
    with dg.DagsterInstance.local_temp(overrides={"run_coordinator": QUEUE}) as instance:
        origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=definitions))
        with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as context:
            yield Ticking(instance, context)
