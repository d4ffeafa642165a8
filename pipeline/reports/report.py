"""Report: all scores of one materialization, read from the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Report:
    """One stored report."""

    path: Path  # the file that holds it: its own, or one of many reports
    rows: pa.Table  # in `SCHEMA`

    @property
    def fingerprint(self) -> str:
        """What the report was made from."""
        return str(self.rows["fingerprint"][0].as_py())

    def scores(self, metric: str) -> list[float]:
        """The values of one metric, in the members' order; diverged members have none."""
        chosen = self.rows.filter((pc.field("metric") == metric) & pc.field("value").is_valid()).sort_by("member")
        values: list[float] = chosen["value"].to_pylist()
        return values

    def fact(self, column: str) -> Any:
        """A column that has the same value in every row."""
        return self.rows[column][0].as_py()

    def metrics(self) -> list[str]:
        """The metrics it holds, in their order."""
        return list(dict.fromkeys(self.rows["metric"].to_pylist()))

    def anchors(self, metric: str) -> tuple[float, float]:
        """The floor and the ceiling of one metric."""
        row = self._first(metric)
        return row["floor"], row["ceiling"]

    def better(self, metric: str) -> str:
        """Whether "lower" or "higher" values of a metric are better, or "neither"."""
        return str(self._first(metric)["better"])

    def notes(self) -> dict[str, str]:
        """What a reader of its scores must know, by metric."""
        found = {metric: self._first(metric)["note"] for metric in self.metrics()}
        return {metric: note for metric, note in found.items() if note}

    def _first(self, metric: str) -> dict[str, Any]:
        row: dict[str, Any] = self.rows.filter(pc.field("metric") == metric).slice(0, 1).to_pylist()[0]
        return row
