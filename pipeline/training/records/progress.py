"""Progress: log lines and observations of every partition, for people who watch a sweep.

An observation is emitted at 25, 50, 75 and 100 %, and otherwise every max(15 s, 2 % of the elapsed time). An overnight
run therefore emits hundreds of observations and not thousands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.training.records.history import Measured
from pipeline.training.records.snapshots import Pictures
from pipeline.training.records.system import SystemUse

LOG_SECONDS = 5.0
LONGEST_SILENCE_SECONDS = 15.0  # a long interval logs lines before its end, without losses
OBSERVATION_SECONDS = 15.0
OBSERVATION_SHARE = 0.02  # of the elapsed time
QUARTERS = 4


@dataclass(frozen=True)
class Observation:
    """The state of a sweep at one moment."""

    recipe: str
    step: int
    steps: int
    images_per_second: float
    seconds_left: float
    partitions: Mapping[str, PartitionObservation]  # by optimizer key
    system: SystemUse


@dataclass(frozen=True)
class PartitionObservation:
    """One partition: means over its members since the last interval, and images of its first member."""

    measured: Measured | None  # None if every member diverged
    members: int  # that still train
    diverged: Sequence[str]
    pictures: Pictures | None


@dataclass
class Clock:
    """Measures speed and time left, and decides when to log and to observe."""

    first_step: int
    steps: int
    seconds_before: float  # of training until `first_step`, in earlier processes
    started: float = field(default_factory=time.monotonic)
    logged: float = field(default_factory=time.monotonic)
    observed: float = field(default_factory=time.monotonic)
    images: int = 0  # real images that this process has trained on, over all members

    def seconds(self) -> float:
        """Return the seconds of training from step 0."""
        return self.seconds_before + time.monotonic() - self.started

    def images_per_second(self) -> float:
        """Return the real images per second since this process began."""
        return self.images / max(time.monotonic() - self.started, 1e-9)

    def seconds_left(self, step: int) -> float:
        """Return the seconds that remain at the speed so far."""
        done = max(step - self.first_step, 1)
        return (time.monotonic() - self.started) / done * (self.steps - step)

    def is_quarter(self, step: int) -> bool:
        """Return whether this step ends a quarter of this process's steps."""
        return any(step == self.first_step + part * (self.steps - self.first_step) // QUARTERS for part in (1, 2, 3, 4))

    def should_observe(self, step: int) -> bool:
        """Return whether an observation is due. Call it at a step that ends an interval or a quarter."""
        now = time.monotonic()
        pause = max(OBSERVATION_SECONDS, OBSERVATION_SHARE * (now - self.started))
        due = self.is_quarter(step) or now - self.observed >= pause
        if due:
            self.observed = now
        return due

    def should_log(self, step: int, after_seconds: float = LOG_SECONDS) -> bool:
        """Return whether a log line is due."""
        now = time.monotonic()
        due = now - self.logged >= after_seconds or step == self.steps
        if due:
            self.logged = now
        return due


def mean_measured(measured: Sequence[Measured]) -> Measured:
    """Return the mean of each field over members."""
    columns = zip(*(vars(member).values() for member in measured), strict=True)
    return Measured(*(sum(column) / len(measured) for column in columns))


def progress_line(recipe: str, step: int, clock: Clock, losses: Mapping[str, Measured | None]) -> str:
    """Return a line like `mnist_mlp 1,200/4,500 | rmsprop D 0.61+0.52 G 1.20 | 25,000 images/s | 1:12 left`."""
    minutes, seconds = divmod(round(clock.seconds_left(step)), 60)
    parts = [f"{recipe} {step:,}/{clock.steps:,}", *(_losses(key, measured) for key, measured in losses.items())]
    return " | ".join([*parts, f"{clock.images_per_second():,.0f} images/s", f"{minutes}:{seconds:02d} left"])


def _losses(optimizer: str, measured: Measured | None) -> str:
    if measured is None:
        return f"{optimizer} diverged"
    return (
        f"{optimizer} D {measured.discriminator_loss_real:.2f}+{measured.discriminator_loss_generated:.2f} "
        f"G {measured.generator_loss:.2f}"
    )
