"""Evidence: facts, tables and pictures that an artefact shows of itself, as plain values without Dagster.

In: nothing; the stages' `evidence.py` modules build these values. Out: `Evidence`, which `assets/publishing` turns into
an asset's metadata in one place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Markdown:
    """Text in Markdown, possibly one picture that carries its own data."""

    text: str


@dataclass(frozen=True)
class Drawing:
    """A picture that takes long to draw. An unchanged artefact shows the picture of its last materialization."""

    draw: Callable[[], str]  # returns Markdown


Row = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Table:
    """Rows with the same columns. The first column matters most: the UI cuts wide tables off."""

    rows: Sequence[Row]


@dataclass(frozen=True)
class Json:
    """Nested plain values: mappings, sequences, texts and numbers."""

    value: Mapping[str, Any] | Sequence[Any]


EvidenceValue = str | int | float | bool | Path | Markdown | Drawing | Table | Json | None
Evidence = Mapping[str, EvidenceValue]


def number(value: float | None) -> str:
    """Return a score with four digits, without an exponent if it has fewer than seven before the point."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def number_or_undefined(value: float | None) -> str:
    """Return `number(value)`, or "not defined" for None."""
    return "not defined" if value is None else number(value)
