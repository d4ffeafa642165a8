"""Promotion: plain values that describe a promotion before its files are written."""

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
class ConfigurationDecision:
    """The decision about one configuration; the names of the fields are keys in `card.json`."""

    rank: int | None  # None: its report cannot be compared
    optimizer: str
    fid: str  # with its interval, as text; empty if it cannot be compared
    verdict: Verdict | None  # on the configuration against the champion; None without a champion
    decision: str


@dataclass(frozen=True)
class Promotion:
    """A new version of the champion with the reasons for it."""

    version: int
    sources: Sources
    reason: str
    verdict: Verdict | None  # against the former champion; None: there was none, or the promotion is forced
    decisions: Sequence[ConfigurationDecision]
    findings: Sequence[Finding]  # of the configuration's checks
    forced: bool  # a person promotes it by name, without a verdict
    replaced_version: int | None  # of the former champion
    replaced: Champion | None  # the former champion; None: there was none, or its files are damaged

    @property
    def member(self) -> int:
        """The member that represents the configuration: the best by the ranking's metric."""
        return self.sources.best_member(RANKED_BY)


@dataclass(frozen=True)
class Exported:
    """Result of writing the best member's generator as ONNX, or the reason for its absence."""

    largest_difference: float | None  # between the outputs of onnxruntime and PyTorch, in the network's value range
    latents: int | None  # number of latents that both were compared on
    refusal: str  # empty: the file was written
