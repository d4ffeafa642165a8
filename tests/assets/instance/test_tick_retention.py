"""Old ticks go, the newest of each schedule and sensor stays."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus

from assets.instance.tick_retention import old_ticks
from tests.assets.origins import FOREIGN, OWN, instigator_origin

DAY = 86_400.0
NOW = 1_800_000_000.0


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def add(instance: dg.DagsterInstance, name: str, *days_ago: float, location: tuple[str, str] = OWN) -> InstigatorState:
    """A sensor that ticked so many days ago."""
    state = InstigatorState(instigator_origin(name, *location), InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(state)
    for days in days_ago:
        timestamp = NOW - days * DAY
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                name,
                InstigatorType.SENSOR,
                TickStatus.SKIPPED,
                timestamp,
                selector_id=state.selector_id,
            )
        )
    return state


def left(instance: dg.DagsterInstance, state: InstigatorState) -> list[float]:
    """Days ago of the ticks that are still there."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return sorted(round((NOW - tick.timestamp) / DAY, 3) for tick in ticks)


def test_ticks_older_than_so_many_days_go(instance: dg.DagsterInstance) -> None:
    state = add(instance, "alerts", 1, 6.9, 7.1, 30)
    (removal,) = old_ticks(instance, NOW, 7)
    assert (removal.name, removal.reason) == ("2 ticks of alerts", "older than 7 days")
    assert removal.age_seconds == pytest.approx(30 * DAY)
    assert left(instance, state) == [1, 6.9, 7.1, 30]
    assert removal.remove()
    assert left(instance, state) == [1, 6.9]
    assert list(old_ticks(instance, NOW, 7)) == []


def test_the_newest_tick_stays_however_old_it_is_and_others_are_not_touched(instance: dg.DagsterInstance) -> None:
    monthly, other = add(instance, "monthly", 20, 50), add(instance, "other", 20)
    (removal,) = old_ticks(instance, NOW, 7)
    assert removal.name == "1 tick of monthly"
    assert removal.remove()
    assert (left(instance, monthly), left(instance, other)) == ([20], [20])


def test_ticks_of_another_code_location_in_the_same_instance_stay(instance: dg.DagsterInstance) -> None:
    own_tick, foreign = add(instance, "alerts", 1, 30), add(instance, "alerts", 1, 30, location=FOREIGN)
    (removal,) = old_ticks(instance, NOW, 7)
    assert removal.remove()
    assert (left(instance, own_tick), left(instance, foreign)) == ([1], [1, 30])
