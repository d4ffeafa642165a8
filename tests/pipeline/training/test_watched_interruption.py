"""Training that is watched, as Dagster watches it, and interrupted after observations keeps the step it was in."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.partition import Partition
from pipeline.training.records import progress
from pipeline.training.records.progress import Observation
from pipeline.training.train import train, train_watched
from tests.pipeline.training.conftest import settings

STEPS, INTERVAL_STEPS = 40, 5


class Cancelled(BaseException):
    """The exception that the watcher's handler raises."""


@pytest.fixture(autouse=True)
def an_observation_at_every_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "OBSERVATION_SECONDS", 0.0)
    monkeypatch.setattr(progress, "OBSERVATION_SHARE", 0.0)


@contextmanager
def cancelling() -> Iterator[None]:
    """A handler of the watcher's own, as Dagster has one while it waits for an asset's next event."""

    def cancel(_number: int, _frame: object) -> None:
        raise Cancelled

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


Watched = Generator[Observation, None, dict[str, Artefact]]


def wanted() -> TrainingSettings:
    return replace(settings("adam", steps=STEPS), history_interval_steps=INTERVAL_STEPS)


def watch(watched: Watched, observations: int) -> None:
    """Take so many observations, with a new handler at every one; 0: all there are."""
    taken = 0
    while taken < observations or not observations:
        with cancelling():
            try:
                next(watched)
            except StopIteration:
                return
        taken += 1


def saved_steps(tensors: Artefact, paths: Paths) -> list[int]:
    return Partition(wanted(), tensors, paths).checkpoints.steps(STEPS)


@pytest.mark.parametrize("wanted_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_several_observations_saves_the_step_it_came_in(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch, wanted_signal: signal.Signals
) -> None:
    step = Ensemble.step

    def cancelled(self: Ensemble, at: int, **options: Any) -> Any:
        if at == 22:
            os.kill(os.getpid(), wanted_signal)
        return step(self, at, **options)

    monkeypatch.setattr(Ensemble, "step", cancelled)
    with pytest.raises(Cancelled):
        watch(train_watched([wanted()], tensors, paths, checkpoint_interval_steps=1000), observations=0)
    assert saved_steps(tensors, paths) == [23]
    monkeypatch.setattr(Ensemble, "step", step)
    (artefact,) = train([wanted()], tensors, paths).values()
    assert artefact.details["resumed_at_step"] == 23


def test_a_watcher_that_leaves_at_an_observation_loses_no_step(tensors: Artefact, paths: Paths) -> None:
    watched = train_watched([wanted()], tensors, paths, checkpoint_interval_steps=1000)
    watch(watched, observations=3)
    assert saved_steps(tensors, paths) == []
    watched.close()
    assert saved_steps(tensors, paths) == [3 * INTERVAL_STEPS]


def test_an_error_of_the_watchers_at_an_observation_loses_no_step(tensors: Artefact, paths: Paths) -> None:
    watched = train_watched([wanted()], tensors, paths, checkpoint_interval_steps=1000)
    watch(watched, observations=2)
    with pytest.raises(Cancelled):
        watched.throw(Cancelled())
    assert saved_steps(tensors, paths) == [2 * INTERVAL_STEPS]


def test_a_step_that_has_just_been_saved_is_not_saved_again(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = train_watched([wanted()], tensors, paths, checkpoint_interval_steps=INTERVAL_STEPS)
    watch(watched, observations=2)
    monkeypatch.setattr(Partition, "save", lambda *_: pytest.fail("saved again"))
    watched.close()
    assert saved_steps(tensors, paths) == [INTERVAL_STEPS, 2 * INTERVAL_STEPS]
