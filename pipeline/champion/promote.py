"""Promote: a configuration becomes champion when it is significantly better than the champion and passed its checks.

In: the newest comparable reports of a recipe, and the findings of each configuration's checks. Out: `Outcome`. Where
there is no champion yet, the best ranked configuration that passed its checks is the first. What was rolled back from
is not promoted again by itself: another training of it may be, or a person promotes it by name with `force`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.champion.challenge import Challenge, challenge
from pipeline.champion.crown import Chosen, crown
from pipeline.champion.decisions import NOT_PROMOTED, Decided, record
from pipeline.champion.promotion import Considered
from pipeline.champion.reasons import rows, rows_by_name, stands, why, why_not
from pipeline.champion.sources import SourceGoneError, find_sources
from pipeline.champion.versions import Champion, current_champion, name_of_weights
from pipeline.comparison.ranking import Ranking, Standing, compare
from pipeline.reports.store import Report, history_of, latest
from pipeline.storage.artefact import locked
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError

if TYPE_CHECKING:
    from pipeline.findings import Finding

Findings = Callable[[str], Sequence["Finding"]]  # what the checks found of a configuration, by its key

ERROR = "error"


@dataclass(frozen=True)
class Outcome:
    """What was decided."""

    recipe: str
    promoted: bool
    reason: str
    champion: Champion | None  # now; None: still none
    considered: Sequence[Considered]


def promote(
    recipe: str,
    optimizers: Sequence[str],
    paths: Paths,
    *,
    findings: Findings,
    only: str | None = None,
    force: bool = False,
) -> Outcome:
    """Promote the best challenger if there is one, `only` one configuration where named; one process at a time.

    `force` promotes that one whatever verdict and checks say. Raises `DamagedChampionError` where the champion's files
    are damaged (not with `force`); with `force`, `ValueError` where no configuration is named, or where it has no
    report or not the weights of its newest one any more.
    """
    if force and only is None:
        raise ValueError(f"{recipe}: promoting without a verdict needs a configuration; name it with --optimizer KEY")
    with locked(paths.champion(recipe)):
        ranking = compare(recipe, optimizers, paths)
        if force and only is not None:
            return _by_name(recipe, only, ranking, paths, findings)
        return _by_rule(recipe, ranking, paths, findings, only)


def _by_rule(recipe: str, ranking: Ranking, paths: Paths, findings: Findings, only: str | None) -> Outcome:
    champion = current_champion(recipe, paths)
    met = challenge(ranking, champion, _reports_of(champion, paths))
    try:
        chosen = _choose(met, champion, paths, findings, only)
        if isinstance(chosen, Chosen):
            crowned, _ = crown(recipe, chosen, paths)
            return Outcome(recipe, True, chosen.reason, crowned, chosen.considered)
        reason, considered = chosen
    except (SourceGoneError, ArtefactFileError) as error:  # the next best would take its place for want of a file
        reason, considered = f"{stands(champion)}: {error}", rows(met, None, {})
    version, optimizer = (None, None) if champion is None else (champion.version, champion.optimizer)
    record(recipe, Decided(NOT_PROMOTED, version, optimizer, reason, _ids(ranking)), paths)
    return Outcome(recipe, False, reason, champion, considered)


def _ids(ranking: Ranking) -> dict[str, str]:
    """The reports that were compared."""
    return {each.optimizer: each.report.report_id for each in ranking.standings}


def _reports_of(champion: Champion | None, paths: Paths) -> list[Report]:
    """The stored reports about a champion's weights: the one it was promoted for, then the newest first."""
    if champion is None:
        return []
    stored = history_of(paths.reports(), champion.recipe, champion.optimizer)
    of_training = [each for each in stored if each.training_fingerprint == champion.training_fingerprint]
    about = [each for each in of_training if each.weights == champion.weights]
    own = [each for each in about if each.report_id == champion.report_id]
    return [*own, *(each for each in reversed(about) if each not in own)]


def _choose(
    met: Challenge, champion: Champion | None, paths: Paths, findings: Findings, only: str | None
) -> Chosen | tuple[str, list[Considered]]:
    """The best of those who may be promoted, not rejected before and its checks passed; or why nobody is.

    Raises `SourceGoneError` where its weights are not there.
    """
    refusals: dict[str, str] = {}
    rejected = () if champion is None else champion.pointer.rejected
    for standing in met.better:
        if only not in (None, standing.optimizer):
            continue
        report = standing.report
        if name_of_weights(report.training_fingerprint, report.weights) in rejected:
            refusals[standing.optimizer] = "this training was rolled back from and is not promoted again by itself"
            continue
        chosen = _candidate(met, standing, champion, paths, findings)
        failed = _failed(chosen.findings)
        if not failed:
            return replace(chosen, considered=rows(met, standing.optimizer, refusals))
        refusals[standing.optimizer] = "; ".join(f"failed {each.check}: {each.summary}" for each in failed)
    return why_not(met, champion, refusals, only), rows(met, None, refusals)


def _candidate(
    met: Challenge, standing: Standing, champion: Champion | None, paths: Paths, findings: Findings
) -> Chosen:
    sources = find_sources(standing.report, paths)
    reason, verdict = why(met, standing, champion), met.verdicts.get(standing.optimizer)
    return Chosen(sources, reason, verdict, findings(standing.optimizer), _ids(met.ranking), [])


def _failed(findings: Sequence[Finding]) -> list[Finding]:
    """The checks that stand in the way; warnings do not."""
    return [each for each in findings if each.severity == ERROR and not each.passed]


def _by_name(recipe: str, optimizer: str, ranking: Ranking, paths: Paths, findings: Findings) -> Outcome:
    """Promote a configuration's newest report because a person says so; its weights must be there."""
    report = latest(paths.reports(), recipe, optimizer)
    if report is None or not report.scores(ranking.ranked_by):
        found = "no report" if report is None else f"no member with a score by {ranking.ranked_by}"
        raise ValueError(
            f"{recipe} {optimizer}: {found}, so there is nothing to promote; train and score it with: "
            f"ganforge materialize {recipe} --optimizer {optimizer}"
        )
    sources, found_by_checks = find_sources(report, paths), findings(optimizer)
    failed = ", ".join(each.check for each in _failed(found_by_checks))
    reason = f"{optimizer} was promoted by name, without a verdict" + (f"; it failed {failed}" if failed else "")
    considered = rows_by_name(ranking, optimizer, "promoted by name")
    chosen = Chosen(sources, reason, None, found_by_checks, _ids(ranking), considered, forced=True)
    crowned, is_new = crown(recipe, chosen, paths)
    if is_new:
        return Outcome(recipe, True, reason, crowned, considered)
    considered = rows_by_name(ranking, optimizer, "is the champion")
    return Outcome(recipe, False, f"{crowned} stays: it is this very promotion", crowned, considered)
