"""Facts: what the checks are given of a training and of a report, absent ones None; and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pipeline.findings import Finding, Severity
from pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.reports.store import Report

AssetName = Literal["history", "report"]
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class TrainingFacts:
    """One partition's training."""

    history: pa.Table | None  # columns of `training/history.py`, a row a member and interval
    settings: TrainingSettings | None
    details: Mapping[str, Any] | None = None  # of the training artefact


@dataclass(frozen=True)
class ReportFacts:
    """One partition's newest report and what led to it."""

    report: Report | None
    previous: Report | None = None  # the newest older one of another training of the same partition
    scores_by_step: pa.Table | None = None  # step and member int64, metric string, value float64 (null: not defined)
    history: pa.Table | None = None
    settings: TrainingSettings | None = None


@dataclass(frozen=True)
class Check(Generic[Facts]):
    """A detector: a pure function of facts."""

    name: str
    asset: AssetName  # `history`: judged when a training is finished; `report`: when it has been scored
    severity: Severity  # the worst it can be
    description: str
    judge: Callable[[Facts], Finding]

    def __call__(self, facts: Facts) -> Finding:
        """The finding on these facts."""
        return self.judge(facts)
