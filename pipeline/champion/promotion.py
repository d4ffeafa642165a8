"""Promotion: what becomes champion and why, before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.champion.sources import Sources
from pipeline.champion.versions import Champion
from pipeline.comparison.ranking import RANKED_BY
from pipeline.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from pipeline.findings import Finding


@dataclass(frozen=True)
class Considered:
    """What was decided about one configuration."""

    rank: int | None  # None: its report cannot be compared
    optimizer: str
    fid: str  # with its interval, as tables show it; empty where it cannot be compared
    verdict: Verdict | None  # on it against the champion, where there is one
    decision: str


@dataclass(frozen=True)
class Promotion:
    """One promotion."""

    version: int
    sources: Sources
    reason: str
    verdict: Verdict | None  # on it against the champion before; None: there was none, or nobody asked
    considered: Sequence[Considered]
    findings: Sequence[Finding]  # of its checks
    forced: bool  # without a verdict, by a person
    replaced_version: int | None  # of the champion before
    replaced: Champion | None  # the champion before; None: there was none, or its files are damaged

    @property
    def member(self) -> int:
        """The member that stands for the configuration: the best by what decides."""
        return self.sources.best_member(RANKED_BY)


@dataclass(frozen=True)
class Exported:
    """Result of writing the best member's generator as ONNX, or the reason for its absence."""

    largest_difference: float | None  # between the outputs of onnxruntime and PyTorch, in the network's value range
    latents: int | None  # number of latents that both were compared on
    refusal: str  # empty: the file was written
