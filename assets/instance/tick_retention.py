"""Tick retention: ticks of schedules and sensors are deleted after some days.

A tick is the record of one evaluation of a schedule or sensor. Dagster's own `retention` deletes ticks in the daemon.
It may delete the last tick of a schedule that is rarely due. Dagster then counts the ticks missed while the daemon was
down from the time at which the schedule was switched on. Here the newest tick of each schedule and sensor stays, and so
do all ticks of other projects in the same instance.
"""

from collections.abc import Callable, Iterator

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState

from assets.graph.ownership import is_own_instigator
from pipeline.clean.files import DAY_SECONDS, format_days
from pipeline.clean.removal import Removal


def old_ticks(instance: dg.DagsterInstance, now: float, days: float) -> Iterator[Removal]:
    """Yield the ticks of this project's schedules and sensors that are older than `days`, except the newest of each.

    Ages are at `now`, in seconds since 1970.
    """
    for state in filter(is_own_instigator, instance.all_instigator_state()):
        origin, selector = state.instigator_origin_id, state.selector_id
        newest = instance.get_ticks(origin, selector, limit=1)
        if newest:
            before = min(now - days * DAY_SECONDS, newest[0].timestamp)
            old = instance.get_ticks(origin, selector, before=before)
            if old:
                name = f"{len(old):,} {'tick' if len(old) == 1 else 'ticks'} of {state.origin.instigator_name}"
                age = now - old[-1].timestamp
                yield Removal(name, f"older than {format_days(days)}", 0, age, _purges(instance, state, before))


def _purges(instance: dg.DagsterInstance, state: InstigatorState, before: float) -> Callable[[], bool]:
    def purge() -> bool:
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before)
        return True

    return purge
