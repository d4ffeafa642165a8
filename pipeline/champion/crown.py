"""Crown: a promotion is written, pointed to and recorded, in this order.

In: what is promoted and why. Out: the champion. A process killed in between leaves the champion that was before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.champion.decisions import PROMOTED, Decided, now, record
from pipeline.champion.identity import champion_identity
from pipeline.champion.promotion import Considered, Promotion
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
class Chosen:
    """Who is promoted and why."""

    sources: Sources
    reason: str
    verdict: Verdict | None  # against the champion before; None: there was none, or nobody asked
    findings: Sequence[Finding]
    reports: Mapping[str, str]  # that were compared, ids by configuration
    considered: Sequence[Considered]
    forced: bool = False


def crown(recipe: str, chosen: Chosen, paths: Paths) -> tuple[Champion, bool]:
    """Make it the champion, and whether that is new; an earlier promotion of the same weights and report is used again.

    Only whoever holds the recipe's lock may call this. Raises `SourceGoneError` where weights or samples are damaged.
    """
    before, replaced = _before(recipe, paths)
    training, report_id = chosen.sources.training.fingerprint, chosen.sources.report.report_id
    identity = champion_identity(training, report_id)
    version = version_of(recipe, identity, paths)
    if replaced is not None and version == replaced.version:
        return replaced, False
    if version is None:
        version = _write(recipe, chosen, before, replaced, identity, paths)
    crowned = name_of_weights(training, chosen.sources.weights)
    rejected = () if before is None else tuple(each for each in before.rejected if each != crowned)
    previous = None if before is None else before.version
    write_pointer(recipe, Pointer(version, now(), chosen.reason, previous, rejected), paths)
    champion = require_champion(recipe, paths)
    reports = {**chosen.reports, champion.optimizer: report_id}
    record(recipe, Decided(PROMOTED, version, champion.optimizer, chosen.reason, reports), paths)
    return champion, True


def _write(
    recipe: str, chosen: Chosen, before: Pointer | None, replaced: Champion | None, identity: Identity, paths: Paths
) -> int:
    """A new version, which nothing points to yet."""
    from pipeline.champion.contents import write_contents  # PyTorch takes seconds to import

    version = next_version(recipe, paths)
    promotion = Promotion(
        version=version,
        sources=chosen.sources,
        reason=chosen.reason,
        verdict=chosen.verdict,
        considered=chosen.considered,
        findings=chosen.findings,
        forced=chosen.forced,
        replaced_version=None if before is None else before.version,
        replaced=replaced,
    )
    add_version(recipe, version, identity, lambda folder: write_contents(folder, promotion), paths)
    return version


def _before(recipe: str, paths: Paths) -> tuple[Pointer | None, Champion | None]:
    """The pointer and the champion there are; what is damaged of them counts as none: it is being replaced."""
    try:
        pointer = read_pointer(recipe, paths)
    except DamagedChampionError:
        return None, None
    try:
        return pointer, current_champion(recipe, paths)
    except DamagedChampionError:
        return pointer, None
