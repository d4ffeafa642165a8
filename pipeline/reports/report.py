"""Report: all scores of one materialization, read from the store.

The reports of one file are read together into a `Block`, and each `Report` is a part of a block. A column becomes a
plain list at its first use, once per block, so that thousands of reports are read in a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.reports.schema import NEEDED_TO_COMPARE, SCHEMA, TEXT
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact


class Block:
    """Rows of one or several reports in the columns of `SCHEMA`, texts plain or dictionary-encoded."""

    def __init__(self, table: pa.Table, first_rows: Sequence[int], sizes: Sequence[int]) -> None:
        self.table = table
        self.first_rows = first_rows
        self.sizes = sizes
        self._facts: dict[str, list[Any]] = {}
        self._columns: dict[str, list[Any]] = {}

    @classmethod
    def from_report(cls, table: pa.Table) -> Block:
        """Return a block of a single report."""
        return cls(table, [0], [len(table)])

    def facts(self, column: str) -> list[Any]:
        """Return a column's value in the first row of every report."""
        if column not in self._facts:
            self._facts[column] = _plain(self.table[column].take(pa.array(self.first_rows)))
        return self._facts[column]

    def column(self, column: str) -> list[Any]:
        """Return a column's value in every row."""
        if column not in self._columns:
            self._columns[column] = _plain(self.table[column])
        return self._columns[column]


@dataclass(frozen=True, eq=False)
class Report:
    """One stored report: one value per report for most columns, and the scores per member and metric."""

    path: Path  # the file that holds the report: its own, or a merged file
    block: Block
    index: int = 0  # of the report in its block

    @cached_property
    def rows(self) -> pa.Table:
        """All rows of the report, in `SCHEMA`."""
        return self.block.table.slice(self._first_row, self.block.sizes[self.index]).cast(SCHEMA)

    @property
    def report_id(self) -> str:
        """The report's own id: 32 hexadecimal digits."""
        return str(self._fact("report_id"))

    @property
    def created_at(self) -> datetime:
        """The time at which the report was stored, in UTC."""
        created_at: datetime = self._fact("created_at")
        return created_at

    @property
    def run_id(self) -> str:
        """The id of the Dagster run that stored the report; empty outside a run."""
        return str(self._fact("run_id") or "")

    @property
    def recipe(self) -> str:
        """The key of the recipe."""
        return str(self._fact("recipe"))

    @property
    def optimizer(self) -> str:
        """The key of the optimizer configuration."""
        return str(self._fact("optimizer"))

    @property
    def fingerprint(self) -> str:
        """The report's data version: the SHA-256 of everything it was computed from."""
        return str(self._fact("fingerprint"))

    @property
    def training_fingerprint(self) -> str:
        """The data version of the training that was scored."""
        return str(self._fact("training_fingerprint"))

    @property
    def pool(self) -> str:
        """The SHA-256 of everything that replicates share; empty in a report of an older version."""
        return str(self._fact("pool") or "")

    @property
    def data_versions(self) -> dict[str, Any]:
        """The fingerprints of the scored inputs by name, empty in a report of the first versions."""
        return self._json("data_versions")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the training, resolved; empty where the report has none."""
        return self._json("settings")

    @property
    def protocol(self) -> dict[str, Any]:
        """The facts that must agree before two reports may be compared; `ValueError` where they are missing."""
        return self._json("protocol")

    @property
    def weights(self) -> str:
        """The kind of the generator's weights that was scored: "raw" or "average"."""
        return str(self.protocol.get("weights", "raw"))

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return self._count("steps")

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self._count("seed")

    @property
    def members(self) -> int:
        """The number of members that were trained, diverged ones included."""
        return self._count("members")

    @property
    def diverged_members(self) -> int:
        """The number of members that diverged and have no scores."""
        return self._count("diverged_members")

    @property
    def n_generated(self) -> int:
        """The number of generated images that were scored per member."""
        return self._count("n_generated")

    @property
    def n_real(self) -> int:
        """The number of real test images that the generated ones were scored against."""
        return self._count("n_real")

    @property
    def extractor(self) -> str:
        """The kind of feature extractor: "classifier" or "inception"."""
        return str(self._fact("extractor"))

    @property
    def extractor_sha256(self) -> str:
        """The SHA-256 of the extractor's weights."""
        return str(self._fact("extractor_sha256"))

    @property
    def extractor_accuracy(self) -> float | None:
        """The share of held-out real images that the extractor classifies correctly, None for foreign labels."""
        accuracy: float | None = self._fact("extractor_accuracy")
        return accuracy

    @property
    def source(self) -> str:
        """A description of the source of the data."""
        return str(self._fact("source") or "")

    @property
    def device(self) -> str | None:
        """The name of the device that trained, None where the report has none."""
        device: str | None = self._fact("device")
        return device

    @property
    def scoring_seconds(self) -> float | None:
        """The wall time of scoring, None in a report of the first versions."""
        seconds: float | None = self._fact("scoring_seconds")
        return seconds

    @property
    def git_commit(self) -> str | None:
        """The commit that scored, with "+" where files differed from it; None outside a checkout."""
        commit: str | None = self._fact("git_commit")
        return commit

    @property
    def ganforge_version(self) -> str | None:
        """The version of the package that scored, None in a report of the first versions."""
        version: str | None = self._fact("ganforge_version")
        return version

    def facts(self, columns: Iterable[str]) -> dict[str, Any]:
        """Return columns that have one value per report, as stored and by name; "weights" is accepted too."""
        return {column: self.weights if column == "weights" else self._fact(column) for column in columns}

    def is_about(self, samples: Artefact) -> bool:
        """Return whether these are the samples that were scored.

        A report of an older version does not name its samples: then the training and the kind of weights decide.
        """
        scored, details = self.data_versions.get("samples"), samples.details_as(SamplesDetails)
        is_scored = details.weights == self.weights if scored is None else scored == samples.fingerprint
        return bool(details.training == self.training_fingerprint and is_scored)

    def scores(self, metric: str) -> list[float]:
        """Return the values of one metric in the order of the members; diverged members have none."""
        members, values = self.block.column("member"), self.block.column("value")
        rows = sorted(self._rows_of.get(metric, ()), key=members.__getitem__)
        return [values[row] for row in rows if values[row] is not None]

    def by_member(self, metric: str) -> dict[int, float | None]:
        """Return each member's value of one metric, None for a member without one; empty if no row has the metric."""
        members, values = self.block.column("member"), self.block.column("value")
        return {members[row]: values[row] for row in self._rows_of.get(metric, ())}

    def metrics(self) -> list[str]:
        """Return the names of the report's metrics, in their order."""
        return list(self._rows_of)

    def anchors(self, metric: str) -> tuple[float, float]:
        """Return the floor and the ceiling of one metric: the scores of real images and of noise."""
        return self._first(metric, "floor"), self._first(metric, "ceiling")

    def better(self, metric: str) -> str:
        """Return which values of a metric are better: "lower", "higher" or "neither"."""
        return str(self._first(metric, "better"))

    def notes(self) -> dict[str, str]:
        """Return cautions for readers of the scores, by metric."""
        notes = {metric: self._first(metric, "note") for metric in self.metrics()}
        return {metric: note for metric, note in notes.items() if note}

    def _fact(self, column: str) -> Any:
        """Return a column that has the same value in every row; `ValueError` for a `protocol` that is null."""
        value = self.block.facts(column)[self.index]
        if value is None and column in NEEDED_TO_COMPARE:
            raise ValueError(
                f"{self.path}: the report of {self.recipe} {self.optimizer} has no {column}, the facts that"
                " must agree before its scores are compared; take the file out of the store, or restore it from a copy"
            )
        return value

    def _count(self, column: str) -> int:
        count: int = self._fact(column)
        return count

    def _json(self, column: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self._fact(column) or "{}")
        return values

    @property
    def _first_row(self) -> int:
        return self.block.first_rows[self.index]

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        """The indices of the report's rows in the block, by metric."""
        metrics, first = self.block.column("metric"), self._first_row
        rows: dict[str, list[int]] = {}
        for row in range(first, first + self.block.sizes[self.index]):
            rows.setdefault(metrics[row], []).append(row)
        return rows

    def _first(self, metric: str, column: str) -> Any:
        if metric not in self._rows_of:
            raise KeyError(f"{self.path}: no metric {metric!r}; there are {', '.join(self.metrics())}")
        return self.block.column(column)[self._rows_of[metric][0]]


def _plain(values: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python values."""
    # Dictionaries are decoded first, which is many times as fast.
    plain: list[Any] = (values.cast(TEXT) if pa.types.is_dictionary(values.type) else values).to_pylist()
    return plain
