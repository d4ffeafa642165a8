"""Progress: how far a sweep is, for people who watch: log lines, and observations of every partition.

Observations come at each quarter of the way, and meanwhile every 15 seconds or every fiftieth of the time so far,
whichever is longer: a run of a night has some hundred, not thousands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.training.records.history import Measured
from pipeline.training.records.snapshots import Pictures
from pipeline.training.records.system import SystemUse

LOG_SECONDS = 5.0
LONGEST_SILENCE_SECONDS = 15.0  # where an interval takes long, a line comes within it, without losses
OBSERVATION_SECONDS = 15.0
OBSERVATION_SHARE = 0.02  # of the time so far
QUARTERS = 4


@dataclass(frozen=True)
class Observation:
    """A sweep at one moment."""

    recipe: str
    step: int
    steps: int
    images_per_second: float
    seconds_left: float
    partitions: Mapping[str, PartitionObservation]  # by optimizer key
    system: SystemUse


@dataclass(frozen=True)
class PartitionObservation:
    """One partition: its members' means over the steps since the last interval, and what the first of them draws."""

    measured: Measured | None  # None where no member is left
    members: int  # that go on
    diverged: Sequence[str]
    pictures: Pictures | None


@dataclass
class Clock:
    """When to speak, how fast it goes and how long it will take."""

    first_step: int
    steps: int
    seconds_before: float  # of training until `first_step`, in processes before this one
    started: float = field(default_factory=time.monotonic)
    logged: float = field(default_factory=time.monotonic)
    observed: float = field(default_factory=time.monotonic)
    images: int = 0  # that this process has trained on, over all members

    def seconds(self) -> float:
        """Of training from step 0."""
        return self.seconds_before + time.monotonic() - self.started

    def images_per_second(self) -> float:
        """Real images, since this process began."""
        return self.images / max(time.monotonic() - self.started, 1e-9)

    def seconds_left(self, step: int) -> float:
        """At the speed so far."""
        done = max(step - self.first_step, 1)
        return (time.monotonic() - self.started) / done * (self.steps - step)

    def is_quarter(self, step: int) -> bool:
        """Whether this step ends a quarter of what this process does."""
        return any(step == self.first_step + part * (self.steps - self.first_step) // QUARTERS for part in (1, 2, 3, 4))

    def should_observe(self, step: int) -> bool:
        """Whether it is time for an observation, at a step that ends an interval or a quarter."""
        now = time.monotonic()
        pause = max(OBSERVATION_SECONDS, OBSERVATION_SHARE * (now - self.started))
        due = self.is_quarter(step) or now - self.observed >= pause
        if due:
            self.observed = now
        return due

    def should_log(self, step: int, after_seconds: float = LOG_SECONDS) -> bool:
        """Whether it is time for a line in the log."""
        now = time.monotonic()
        due = now - self.logged >= after_seconds or step == self.steps
        if due:
            self.logged = now
        return due


def mean_measured(of_members: Sequence[Measured]) -> Measured:
    """Field by field over members."""
    columns = zip(*(vars(each).values() for each in of_members), strict=True)
    return Measured(*(sum(column) / len(of_members) for column in columns))


def progress_line(recipe: str, step: int, clock: Clock, losses: Mapping[str, Measured | None]) -> str:
    """Such as `mnist_mlp 1,200/4,500 | rmsprop D 0.61+0.52 G 1.20 | 25,000 images/s | 1:12 left`."""
    minutes, seconds = divmod(round(clock.seconds_left(step)), 60)
    parts = [f"{recipe} {step:,}/{clock.steps:,}", *(_losses(key, each) for key, each in losses.items())]
    return " | ".join([*parts, f"{clock.images_per_second():,.0f} images/s", f"{minutes}:{seconds:02d} left"])


def _losses(optimizer: str, measured: Measured | None) -> str:
    if measured is None:
        return f"{optimizer} diverged"
    return (
        f"{optimizer} D {measured.discriminator_loss_real:.2f}+{measured.discriminator_loss_generated:.2f} "
        f"G {measured.generator_loss:.2f}"
    )
