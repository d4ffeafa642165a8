"""Inputs: the values that checks read of a training and of a report, and the form of a check.

A check is a function of these inputs that returns an `Outcome`, or raises `NotJudgedError` if an input is missing.
`Check` turns either into a `Finding`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pipeline.findings import Finding, Severity, failing, not_judged, passing
from pipeline.settings import TrainingSettings
from pipeline.training.details import TrainingDetails

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.reports.report import Report

AssetName = Literal["history", "report"]
Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class TrainingInputs:
    """The training of one partition; None stands for a part that is missing."""

    history: pa.Table | None  # columns of `training/records/history.py`, one row per member and interval
    settings: TrainingSettings | None
    details: TrainingDetails | None = None


@dataclass(frozen=True)
class ReportInputs:
    """The newest report of one partition and its origin; None stands for a part that is missing."""

    report: Report | None
    previous: Report | None = None  # the newest older report of another training of the same partition
    scores_by_step: pa.Table | None = None  # step and member int64, metric string, value float64 (null: not defined)
    history: pa.Table | None = None
    settings: TrainingSettings | None = None


class NotJudgedError(Exception):
    """An input that a check needs is missing; the message is a clause such as `no report`."""


@dataclass(frozen=True)
class Outcome:
    """The result of a check that had all its inputs."""

    summary: str  # one sentence
    evidence: Mapping[str, Any]  # plain JSON values
    advice: str | None = None  # the change to try; None: the check passed
    severity: Severity | None = None  # of a failure that is milder than the check's worst; None: the worst


@dataclass(frozen=True)
class Check(Generic[Inputs]):
    """One check: a pure function of its inputs, with a name and a severity."""

    name: str
    asset: AssetName  # `history`: runs when a training is finished; `report`: runs when it has been scored
    severity: Severity  # the worst that is possible
    description: str
    examine: Callable[[Inputs], Outcome]

    def __call__(self, inputs: Inputs) -> Finding:
        """Return the finding on these inputs."""
        try:
            outcome = self.examine(inputs)
        except NotJudgedError as missing:
            return not_judged(self.name, self.severity, str(missing))
        if outcome.advice is None:
            return passing(self.name, self.severity, outcome.summary, outcome.evidence)
        severity = outcome.severity or self.severity
        return failing(self.name, severity, outcome.summary, outcome.evidence, outcome.advice)
