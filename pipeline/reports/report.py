"""Report: all scores of one materialization, read from the store.

Reports that lie in one file are read at once, into a `Block`, and every report is a part of it. Columns become plain
lists when first asked for, once a block: thousands of reports are looked up in a second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.reports.schema import NEEDED_TO_COMPARE, SCHEMA, TEXT
from pipeline.storage.artefact import Artefact
from pipeline.training.kinds_of_weights import weights_drawn


class Block:
    """Rows of one or several reports in the columns of `SCHEMA`, texts plain or dictionary-encoded."""

    def __init__(self, table: pa.Table, first_rows: Sequence[int], sizes: Sequence[int]) -> None:
        self.table = table
        self.first_rows = first_rows
        self.sizes = sizes
        self._facts: dict[str, list[Any]] = {}
        self._columns: dict[str, list[Any]] = {}

    @classmethod
    def of_one(cls, table: pa.Table) -> Block:
        """All rows are one report's."""
        return cls(table, [0], [len(table)])

    def facts(self, column: str) -> list[Any]:
        """A column's value in the first row of every report."""
        if column not in self._facts:
            self._facts[column] = _plain(self.table[column].take(pa.array(self.first_rows)))
        return self._facts[column]

    def column(self, column: str) -> list[Any]:
        """A column's value in every row."""
        if column not in self._columns:
            self._columns[column] = _plain(self.table[column])
        return self._columns[column]


@dataclass(frozen=True, eq=False)
class Report:
    """One stored report."""

    path: Path  # the file that holds it: its own, or one of many reports
    block: Block
    at: int = 0  # among the block's reports

    @cached_property
    def rows(self) -> pa.Table:
        """All of it, in `SCHEMA`."""
        return self.block.table.slice(self._first_row, self.block.sizes[self.at]).cast(SCHEMA)

    @property
    def fingerprint(self) -> str:
        """What the report was made from."""
        return str(self.fact("fingerprint"))

    @property
    def weights(self) -> str:
        """Return the kind of the generator's weights that was scored: "raw" or "average"."""
        return str(json.loads(self.fact("protocol")).get("weights", "raw"))

    def is_about(self, samples: Artefact) -> bool:
        """Return whether these are the samples that were scored.

        A report of an older version does not name them: then training and kind of weights decide.
        """
        scored = json.loads(self.fact("data_versions") or "{}").get("samples")
        is_scored = weights_drawn(samples) == self.weights if scored is None else scored == samples.fingerprint
        return bool(samples.details.get("training") == self.fact("training_fingerprint") and is_scored)

    def scores(self, metric: str) -> list[float]:
        """The values of one metric, in the members' order; diverged members have none."""
        members, values = self.block.column("member"), self.block.column("value")
        rows = sorted(self._rows_of.get(metric, ()), key=members.__getitem__)
        return [values[row] for row in rows if values[row] is not None]

    def fact(self, column: str) -> Any:
        """A column that has the same value in every row; `ValueError` for a `protocol` that is null."""
        value = self.block.facts(column)[self.at]
        if value is None and column in NEEDED_TO_COMPARE:
            raise ValueError(
                f"{self.path}: the report of {self.fact('recipe')} {self.fact('optimizer')} has no {column}, which says"
                " what its scores may be compared with; take the file out of the store, or restore it from a copy"
            )
        return value

    def metrics(self) -> list[str]:
        """The metrics it holds, in their order."""
        return list(self._rows_of)

    def anchors(self, metric: str) -> tuple[float, float]:
        """The floor and the ceiling of one metric."""
        return self._first(metric, "floor"), self._first(metric, "ceiling")

    def better(self, metric: str) -> str:
        """Whether "lower" or "higher" values of a metric are better, or "neither"."""
        return str(self._first(metric, "better"))

    def notes(self) -> dict[str, str]:
        """What a reader of its scores must know, by metric."""
        found = {metric: self._first(metric, "note") for metric in self.metrics()}
        return {metric: note for metric, note in found.items() if note}

    @property
    def _first_row(self) -> int:
        return self.block.first_rows[self.at]

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        """The block's rows of every metric."""
        metrics, first = self.block.column("metric"), self._first_row
        found: dict[str, list[int]] = {}
        for row in range(first, first + self.block.sizes[self.at]):
            found.setdefault(metrics[row], []).append(row)
        return found

    def _first(self, metric: str, column: str) -> Any:
        if metric not in self._rows_of:
            raise KeyError(f"{self.path}: no metric {metric!r}; there are {', '.join(self.metrics())}")
        return self.block.column(column)[self._rows_of[metric][0]]


def _plain(values: pa.ChunkedArray) -> list[Any]:
    """As Python values; dictionaries are decoded first, which is many times as fast."""
    plain: list[Any] = (values.cast(TEXT) if pa.types.is_dictionary(values.type) else values).to_pylist()
    return plain
