import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.training.launch import observation_from_json, observation_to_json
from pipeline.training.records import progress
from pipeline.training.records.history import Measured
from pipeline.training.records.progress import Clock, Observation, PartitionObservation, mean_measured, progress_line
from pipeline.training.records.system import SystemReader, SystemUse

MEASURED = Measured(0.611, 0.518, 1.204, 0.7, 0.3, 0.6, 0.4, 0.0, 0.8, 1.5)


class FakeTime:
    """A clock that stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: self.now))

    def clock(self, first_step: int, steps: int, seconds_before: float = 0.0) -> Clock:
        return Clock(first_step, steps, seconds_before, started=self.now, logged=self.now, observed=self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


# ---------------------------------------------------------------------------------------------------------------------
# When to speak


@pytest.mark.parametrize("first_step", [0, 1, 7, 1000])
def test_every_run_of_four_steps_or_more_has_four_quarters_and_the_last_step_ends_the_last(first_step: int) -> None:
    for count in range(4, 60):
        clock = Clock(first_step, first_step + count, 0.0)
        marks = [step for step in range(first_step + 1, clock.steps + 1) if clock.is_quarter(step)]
        lengths = np.diff([first_step, *marks])
        assert (len(marks), marks[-1]) == (4, clock.steps)
        assert max(lengths) - min(lengths) <= 1


def test_shorter_runs_still_end_a_quarter_with_their_last_step() -> None:
    for count in (1, 2, 3):
        assert Clock(10, 10 + count, 0.0).is_quarter(10 + count)


def test_between_quarters_observations_wait_15_seconds_or_a_fiftieth_of_the_time_so_far(time: FakeTime) -> None:
    clock = time.clock(0, 1000)

    def observes_at(now: float) -> bool:
        time.now = now
        return clock.should_observe(1)

    assert not observes_at(14.9)
    assert observes_at(15.0)
    assert not observes_at(29.9)
    assert observes_at(3000.0)
    assert not observes_at(3060.0)  # 2 % of 3,060 seconds are more than 60
    assert observes_at(3062.0)
    assert clock.should_observe(250)  # a quarter, however soon


def test_the_log_hears_every_five_seconds_and_at_the_last_step(time: FakeTime) -> None:
    clock = time.clock(0, 1000)
    time.now = 4.9
    assert not clock.should_log(10)
    time.now = 5.0
    assert clock.should_log(11)
    assert not clock.should_log(12)
    assert clock.should_log(1000)


def test_speed_is_this_processs_and_the_seconds_are_those_of_all(time: FakeTime) -> None:
    clock = time.clock(500, 1000, seconds_before=100.0)
    clock.images, time.now = 6400, 10.0
    assert clock.seconds() == 110.0
    assert clock.images_per_second() == 640.0
    assert clock.seconds_left(600) == 40.0  # 100 steps took 10 seconds, 400 are left


# ---------------------------------------------------------------------------------------------------------------------
# What to say


def test_a_line_of_the_log_has_step_losses_speed_and_time_left(time: FakeTime) -> None:
    clock = time.clock(0, 4500)
    clock.images, time.now = 900_000, 36.0
    line = progress_line("mnist_mlp", 1500, clock, {"rmsprop": MEASURED, "adam": None})
    expected = "mnist_mlp 1,500/4,500 | rmsprop D 0.61+0.52 G 1.20 | adam diverged | 25,000 images/s | 1:12 left"
    assert line == expected


def test_the_time_left_is_rounded_before_it_is_split_into_minutes(time: FakeTime) -> None:
    clock = time.clock(0, 100)
    time.now = 59.7
    assert progress_line("r", 50, clock, {}).endswith("1:00 left")


def test_members_are_averaged_field_by_field() -> None:
    other = Measured(*(3 * value for value in vars(MEASURED).values()))
    expected = [2 * value for value in vars(MEASURED).values()]
    assert list(vars(mean_measured([MEASURED, other])).values()) == pytest.approx(expected)


def test_a_member_of_nan_makes_that_field_nan_alone() -> None:
    mean = mean_measured([MEASURED, replace(MEASURED, generator_loss=math.nan)])
    assert [name for name, value in vars(mean).items() if math.isnan(value)] == ["generator_loss"]


# ---------------------------------------------------------------------------------------------------------------------
# From process to process


def observation(measured: Measured | None) -> Observation:
    partitions = {
        "adam": PartitionObservation(measured, 2, ["it failed"], None),
        "sgd": PartitionObservation(None, 0, [], None),
    }
    return Observation("mnist_mlp", 100, 4500, 25e3, 72.5, partitions, SystemUse("CPU", 99.5, 300.0, 310.0))


def test_an_observation_survives_a_line_of_json() -> None:
    line = observation_to_json(observation(MEASURED))
    assert "\n" not in line
    assert observation_from_json(json.loads(line)) == observation(MEASURED)


def test_an_observations_pictures_come_along() -> None:
    with_pictures = observation(MEASURED)
    pictures = np.random.default_rng(0).integers(0, 256, (16, 3, 28, 28), np.uint8)
    partitions = {key: replace(observed, pictures=pictures) for key, observed in with_pictures.partitions.items()}
    line = observation_to_json(replace(with_pictures, partitions=partitions))
    assert "\n" not in line
    for partition in observation_from_json(json.loads(line)).partitions.values():
        assert partition.pictures is not None
        assert np.array_equal(partition.pictures, pictures)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_observation_of_values_that_are_not_finite_survives_too(value: float) -> None:
    given = observation(replace(MEASURED, generator_loss=value))
    assert repr(observation_from_json(json.loads(observation_to_json(given)))) == repr(given)


# ---------------------------------------------------------------------------------------------------------------------
# The machine


def test_a_reading_on_a_cpu_names_it_and_its_memory() -> None:
    use = SystemReader(torch.device("cpu")).read()
    assert use.device == f"CPU, {torch.get_num_threads()} threads"
    assert 0 < use.memory_mib < 2**20
    assert use.peak_memory_mib > 0
    assert set(use.facts()) == {"device", "cpu_percent", "memory_mib", "peak_memory_mib"}


def test_memory_that_a_process_takes_is_in_its_memory_and_in_its_peak() -> None:
    reader = SystemReader(torch.device("cpu"))
    before = reader.read()
    taken = np.ones(128 * 2**20, np.uint8)  # 128 MiB
    during = reader.read()
    del taken
    if Path("/proc/self/statm").exists():  # elsewhere there is only the peak
        assert during.memory_mib - before.memory_mib == pytest.approx(128, abs=16)
    assert reader.read().peak_memory_mib >= before.memory_mib + 112
