"""Score: a number computed by a metric, with its error and with notes for its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NORMAL_95 = 1.959963984540054  # half-width of a normal distribution's 95 % interval, in standard deviations


@dataclass(frozen=True)
class Score:
    """A number computed by a metric, with what limits its meaning."""

    value: float
    standard_error: float | None = None  # over other images from the same two distributions; None: unknown
    by_class: tuple[float, ...] | None = None  # one value per class, for scores that have classes
    notes: tuple[str, ...] = ()  # sentences for a reader of this value, such as why not to trust it
    details: Mapping[str, str | int] = field(default_factory=dict)  # how the value was computed, by name
