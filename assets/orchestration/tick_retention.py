"""Tick retention: what schedules and sensors did at each look, kept for so many days.

Dagster's own `retention` does this in the daemon, and may take the last tick of a schedule that is due less often: what
it missed while the daemon was away is then decided from when it was started. Here the newest tick of each
stays, and so do all ticks of other projects in the same instance.
"""

from collections.abc import Callable, Iterator

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState

from assets.orchestration.ownership import is_own_instigator
from pipeline.clean.files import DAY_SECONDS, in_days
from pipeline.clean.removal import Removal


def old_ticks(instance: dg.DagsterInstance, now: float, days: float) -> Iterator[Removal]:
    """The ticks of this project's schedules and sensors older than `days` at `now`, but the newest of each.

    `now` is in seconds since 1970.
    """
    for state in filter(is_own_instigator, instance.all_instigator_state()):
        origin, selector = state.instigator_origin_id, state.selector_id
        newest = instance.get_ticks(origin, selector, limit=1)
        if newest:
            before = min(now - days * DAY_SECONDS, newest[0].timestamp)
            old = instance.get_ticks(origin, selector, before=before)
            if old:
                what = f"{len(old):,} {'tick' if len(old) == 1 else 'ticks'} of {state.origin.instigator_name}"
                age = now - old[-1].timestamp
                yield Removal(what, f"older than {in_days(days)}", 0, age, _purges(instance, state, before))


def _purges(instance: dg.DagsterInstance, state: InstigatorState, before: float) -> Callable[[], bool]:
    def purge() -> bool:
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before)
        return True

    return purge
