"""Appointment: make a candidate the champion. Write its folder, then replace the pointer, then log the decision.

In: a candidate with its reasons. Out: the champion. A process killed before the pointer is replaced leaves the former
champion in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.champion import champion_identity
from pipeline.champion.decisions import PROMOTED, LogEntry, now, record
from pipeline.champion.promotion import ConfigurationDecision, Promotion
from pipeline.champion.sources import Sources
from pipeline.champion.versions import (
    Champion,
    DamagedChampionError,
    Pointer,
    add_version,
    current_champion,
    name_of_weights,
    next_version,
    read_pointer,
    require_champion,
    version_of,
    write_pointer,
)
from pipeline.comparison.verdicts import Verdict
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths

if TYPE_CHECKING:
    from pipeline.findings import Finding


@dataclass(frozen=True)
class Candidate:
    """A configuration to promote, and the reasons."""

    sources: Sources
    reason: str
    verdict: Verdict | None  # against the former champion; None: there was none, or the promotion is forced
    findings: Sequence[Finding]
    reports: Mapping[str, str]  # ids of the compared reports, by configuration
    decisions: Sequence[ConfigurationDecision]
    forced: bool = False  # a person promotes it by name, without a verdict


def appoint(recipe: str, candidate: Candidate, paths: Paths) -> tuple[Champion, bool]:
    """Make a candidate the champion. Return the champion, and False if it was the champion already.

    An earlier promotion of the same weights and report is used again. The caller holds the recipe's lock. Raises
    `SourceGoneError` if weights or samples are damaged.
    """
    before, replaced = _before(recipe, paths)
    training, report_id = candidate.sources.training.fingerprint, candidate.sources.report.report_id
    identity = champion_identity(training, report_id)
    version = version_of(recipe, identity, paths)
    if replaced is not None and version == replaced.version:
        return replaced, False
    if version is None:
        version = _write(recipe, candidate, before, replaced, identity, paths)
    promoted = name_of_weights(training, candidate.sources.weights)
    rejected = () if before is None else tuple(weights for weights in before.rejected if weights != promoted)
    previous = None if before is None else before.version
    write_pointer(recipe, Pointer(version, now(), candidate.reason, previous, rejected), paths)
    champion = require_champion(recipe, paths)
    reports = {**candidate.reports, champion.optimizer: report_id}
    record(recipe, LogEntry(PROMOTED, version, champion.optimizer, candidate.reason, reports), paths)
    return champion, True


def _write(
    recipe: str,
    candidate: Candidate,
    before: Pointer | None,
    replaced: Champion | None,
    identity: Identity,
    paths: Paths,
) -> int:
    """Write a new version and return its number. The pointer still names the former champion."""
    from pipeline.champion.contents import write_contents  # PyTorch takes seconds to import

    version = next_version(recipe, paths)
    promotion = Promotion(
        version=version,
        sources=candidate.sources,
        reason=candidate.reason,
        verdict=candidate.verdict,
        decisions=candidate.decisions,
        findings=candidate.findings,
        forced=candidate.forced,
        replaced_version=None if before is None else before.version,
        replaced=replaced,
    )
    add_version(recipe, version, identity, lambda folder: write_contents(folder, promotion), paths)
    return version


def _before(recipe: str, paths: Paths) -> tuple[Pointer | None, Champion | None]:
    """Return the present pointer and champion; None in place of a damaged one, since it is being replaced."""
    try:
        pointer = read_pointer(recipe, paths)
    except DamagedChampionError:
        return None, None
    try:
        return pointer, current_champion(recipe, paths)
    except DamagedChampionError:
        return pointer, None
