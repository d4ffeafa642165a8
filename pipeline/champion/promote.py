"""Promote: make a configuration the champion if it is significantly better than the champion and passed its checks.

In: the newest comparable reports of a recipe, and the findings of each configuration's checks. Out: `PromotionOutcome`.

Without a champion, the best ranked configuration that passed its checks becomes the first one. Weights that were rolled
back from are not promoted automatically again. Another training of the configuration may be, or a person promotes the
weights by name with `force`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.champion.appointment import Candidate, appoint
from pipeline.champion.challenge import Challenge, challenge
from pipeline.champion.decisions import NOT_PROMOTED, LogEntry, record
from pipeline.champion.promotion import ConfigurationDecision
from pipeline.champion.reasons import (
    decisions_by_name,
    decisions_by_rule,
    present_state,
    promotion_reason,
    refusal_reason,
)
from pipeline.champion.sources import SourceGoneError, find_sources
from pipeline.champion.versions import Champion, current_champion, name_of_weights
from pipeline.comparison.ranking import RankedConfiguration, Ranking, compare
from pipeline.reports.store import Report, history_of, latest
from pipeline.storage.artefact import artefact_lock
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError

if TYPE_CHECKING:
    from pipeline.findings import Finding

RunChecks = Callable[[str], Sequence["Finding"]]  # a configuration's key → the findings of its checks

ERROR = "error"


@dataclass(frozen=True)
class PromotionOutcome:
    """The result of one call of `promote`."""

    recipe: str
    promoted: bool
    reason: str
    champion: Champion | None  # after the call; None: still no champion
    decisions: Sequence[ConfigurationDecision]


def promote(
    recipe: str,
    optimizers: Sequence[str],
    paths: Paths,
    *,
    run_checks: RunChecks,
    only: str | None = None,
    force: bool = False,
) -> PromotionOutcome:
    """Promote the best challenger if there is one. With `only`, consider one configuration. One process at a time.

    `force` promotes the configuration `only` regardless of verdict and checks.

    Raises `DamagedChampionError` if the champion's files are damaged (not with `force`). With `force`, raises
    `ValueError` if no configuration is named, if it has no report, or if its newest report is about other weights.
    """
    if force and only is None:
        raise ValueError(f"{recipe}: promoting without a verdict needs a configuration; name it with --optimizer KEY")
    with artefact_lock(paths.champion(recipe)):
        ranking = compare(recipe, optimizers, paths)
        if force and only is not None:
            return _by_name(recipe, only, ranking, paths, run_checks)
        return _by_rule(recipe, ranking, paths, run_checks, only)


def _by_rule(recipe: str, ranking: Ranking, paths: Paths, run_checks: RunChecks, only: str | None) -> PromotionOutcome:
    champion = current_champion(recipe, paths)
    stored = [] if champion is None else history_of(paths.reports(), recipe, champion.optimizer)
    comparison = challenge(ranking, champion, _reports_of(champion, paths), stored)
    try:
        choice = _choose(comparison, champion, paths, run_checks, only)
        if isinstance(choice, Candidate):
            new, _ = appoint(recipe, choice, paths)
            return PromotionOutcome(recipe, True, choice.reason, new, choice.decisions)
        reason, decisions = choice
    except (SourceGoneError, ArtefactFileError) as error:
        # A missing file must not make the next best configuration champion.
        reason, decisions = f"{present_state(champion)}: {error}", decisions_by_rule(comparison, None, {})
    version, optimizer = (None, None) if champion is None else (champion.version, champion.optimizer)
    record(recipe, LogEntry(NOT_PROMOTED, version, optimizer, reason, _ids(ranking)), paths)
    return PromotionOutcome(recipe, False, reason, champion, decisions)


def _ids(ranking: Ranking) -> dict[str, str]:
    """Return the ids of the compared reports, by configuration."""
    return {configuration.optimizer: configuration.report.report_id for configuration in ranking.configurations}


def _reports_of(champion: Champion | None, paths: Paths) -> list[Report]:
    """Return the stored reports about a champion's weights: the one it was promoted for, then the newest first."""
    if champion is None:
        return []
    stored = history_of(paths.reports(), champion.recipe, champion.optimizer)
    same_training = [report for report in stored if report.training_fingerprint == champion.training_fingerprint]
    same_weights = [report for report in same_training if report.weights == champion.weights]
    first = [report for report in same_weights if report.report_id == champion.report_id]
    return [*first, *(report for report in reversed(same_weights) if report not in first)]


def _choose(
    comparison: Challenge, champion: Champion | None, paths: Paths, run_checks: RunChecks, only: str | None
) -> Candidate | tuple[str, list[ConfigurationDecision]]:
    """Return the best configuration that may be promoted, or the reason for none and the decision about each one.

    A configuration may be promoted if it is better than the champion, was not rejected and passed its checks. Raises
    `SourceGoneError` if its weights are gone.
    """
    refusals: dict[str, str] = {}
    rejected = () if champion is None else champion.pointer.rejected
    for configuration in comparison.better:
        if only not in (None, configuration.optimizer):
            continue
        if _names_of_weights(configuration).intersection(rejected):
            refusals[configuration.optimizer] = (
                "this training was rolled back from and is not promoted again automatically"
            )
            continue
        candidate = _candidate(comparison, configuration, champion, paths, run_checks)
        failed = _failed(candidate.findings)
        if not failed:
            return replace(candidate, decisions=decisions_by_rule(comparison, configuration.optimizer, refusals))
        failures = (f"failed {finding.check}: {finding.summary}" for finding in failed)
        refusals[configuration.optimizer] = "; ".join(failures)
    return refusal_reason(comparison, champion, refusals, only), decisions_by_rule(comparison, None, refusals)


def _names_of_weights(configuration: RankedConfiguration) -> set[str]:
    """Return the names of the weights that a configuration would be promoted with.

    A training that was given more members has another fingerprint, and the first members' weights are the same.
    """
    newest = configuration.report
    of_seed = [report for report in configuration.replicates.reports if report.seed == newest.seed]
    return {name_of_weights(report.training_fingerprint, report.weights) for report in of_seed}


def _candidate(
    comparison: Challenge,
    configuration: RankedConfiguration,
    champion: Champion | None,
    paths: Paths,
    run_checks: RunChecks,
) -> Candidate:
    sources = find_sources(configuration.report, paths)
    optimizer, reason = configuration.optimizer, promotion_reason(comparison, configuration, champion)
    verdict, reports = comparison.verdicts.get(optimizer), _ids(comparison.ranking)
    return Candidate(sources, reason, verdict, run_checks(optimizer), reports, [])


def _failed(findings: Sequence[Finding]) -> list[Finding]:
    """Return the failed checks that prevent a promotion; warnings do not."""
    return [finding for finding in findings if finding.severity == ERROR and not finding.passed]


def _by_name(recipe: str, optimizer: str, ranking: Ranking, paths: Paths, run_checks: RunChecks) -> PromotionOutcome:
    """Promote a configuration's newest report without a verdict, as a person requires; its weights must exist."""
    report = latest(paths.reports(), recipe, optimizer)
    if report is None or not report.scores(ranking.ranked_by):
        missing = "no report" if report is None else f"no member with a score by {ranking.ranked_by}"
        raise ValueError(
            f"{recipe} {optimizer}: {missing}, so there is nothing to promote; train and score it with: "
            f"ganforge materialize {recipe} --optimizer {optimizer}"
        )
    sources, findings = find_sources(report, paths), run_checks(optimizer)
    failed = ", ".join(finding.check for finding in _failed(findings))
    reason = f"{optimizer} was promoted by name, without a verdict" + (f"; it failed {failed}" if failed else "")
    decisions = decisions_by_name(ranking, optimizer, "promoted by name")
    candidate = Candidate(sources, reason, None, findings, _ids(ranking), decisions, forced=True)
    champion, is_new = appoint(recipe, candidate, paths)
    if is_new:
        return PromotionOutcome(recipe, True, reason, champion, decisions)
    decisions = decisions_by_name(ranking, optimizer, "is the champion")
    return PromotionOutcome(
        recipe, False, f"{champion} stays: this training and report are already promoted", champion, decisions
    )
