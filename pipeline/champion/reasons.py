"""Reasons: sentences about a decision: why a configuration is promoted, or why the champion stays.

In: a challenge and its result. Out: sentences without a full stop, and the decision about each configuration.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.champion.challenge import Challenge
from pipeline.champion.decisions import PROMOTED
from pipeline.champion.promotion import ConfigurationDecision
from pipeline.champion.versions import Champion
from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.comparison.ranking_verdicts import verdicts_on_best
from pipeline.comparison.verdicts import BETTER, UNDECIDED, WORSE, Verdict
from pipeline.evidence import number


def promotion_reason(comparison: Challenge, configuration: RankedConfiguration, champion: Champion | None) -> str:
    """Return the reason for promoting a configuration."""
    metric, count = comparison.ranking.ranked_by, len(comparison.ranking.configurations)
    score = f"{metric.upper()} {configuration.scores[metric]}"
    if champion is None:
        rank = f"the best of {count} configurations" if count > 1 else "the only configuration with a score"
        undecided = _undecided_against(comparison.ranking, configuration)
        against = f"; undecided against {', '.join(undecided)}" if undecided else ""
        return f"{configuration.optimizer} is the first champion: {rank}, {score}{against}"
    unequal = f"; unequal trainings: {comparison.unequal}" if comparison.unequal else ""
    numbers = _numbers(comparison.verdicts[configuration.optimizer])
    return f"{configuration.optimizer} is better than {champion}: {score}, {numbers}{unequal}"


def _undecided_against(ranking: Ranking, configuration: RankedConfiguration) -> list[str]:
    """Return the configurations for which the comparison with the best one is undecided; none for another one."""
    if configuration is not ranking.configurations[0]:
        return []
    return [verdict.second for verdict in verdicts_on_best(ranking) if verdict.verdict == UNDECIDED]


def refusal_reason(
    comparison: Challenge, champion: Champion | None, refusals: Mapping[str, str], only: str | None
) -> str:
    """Return the reason for promoting no configuration. `refusals` has the reasons against better ones, by key."""
    stays = present_state(champion)
    if comparison.obstacle:
        return f"{stays}: {comparison.obstacle}"
    if refusals:
        is_better = "" if champion is None else "is better, but "
        return f"{stays}: " + "; ".join(f"{name} {is_better}{refusal}" for name, refusal in refusals.items())
    if only is not None:
        return f"{stays}: {_clause_on(comparison, only)}"
    if not comparison.verdicts:
        return f"{stays}: no other configuration has comparable scores"
    ranked = (configuration.optimizer for configuration in comparison.ranking.configurations)
    nearest = next(optimizer for optimizer in ranked if optimizer in comparison.verdicts)
    return f"{stays}: no configuration is significantly better ({_clause_on(comparison, nearest)})"


def present_state(champion: Champion | None) -> str:
    """Return the clause about the champion with which a refusal begins."""
    return "no champion yet" if champion is None else f"{champion} stays"


def _clause_on(comparison: Challenge, optimizer: str) -> str:
    """Return the result of the comparison for one configuration, as a clause."""
    if optimizer == comparison.champion:
        return f"{optimizer} is the champion itself"
    if optimizer in comparison.ranking.incomparable:
        return f"{optimizer} cannot be compared with the ranked ones: {comparison.ranking.incomparable[optimizer]}"
    if optimizer not in comparison.verdicts:
        made_with = f"ganforge materialize {comparison.ranking.recipe} --optimizer {optimizer}"
        return f"{optimizer} has no score yet; make a report with: {made_with}"
    verdict = comparison.verdicts[optimizer]
    return f"{optimizer}: {verdict.verdict if verdict.verdict in (BETTER, WORSE) else verdict}"


def _numbers(verdict: Verdict) -> str:
    low, high, p = number(verdict.low), number(verdict.high), number(verdict.corrected_p)
    interval = "" if verdict.low is None else f" ({low} to {high})"
    members = f"{verdict.first_members} against {verdict.second_members} members"
    failed = ""
    if not (verdict.first_failed.startswith("0 ") and verdict.second_failed.startswith("0 ")):
        failed = f", {verdict.first_failed} failed against {verdict.second_failed}"
    return f"difference {number(verdict.difference)}{interval}, p {p}, {verdict.test}, {members}{failed}"


def decisions_by_rule(
    comparison: Challenge, promoted: str | None, refusals: Mapping[str, str]
) -> list[ConfigurationDecision]:
    """Return the decision about each configuration, those that cannot be compared at the end."""
    ranked = [
        ConfigurationDecision(
            configuration.rank,
            configuration.optimizer,
            configuration.text(comparison.ranking.ranked_by),
            comparison.verdicts.get(configuration.optimizer),
            _decision(comparison, configuration.optimizer, promoted, refusals),
        )
        for configuration in comparison.ranking.configurations
    ]
    incomparable = comparison.ranking.incomparable.items()
    return [
        *ranked,
        *(ConfigurationDecision(None, name, "", None, f"not comparable: {how}") for name, how in incomparable),
    ]


def _decision(comparison: Challenge, optimizer: str, promoted: str | None, refusals: Mapping[str, str]) -> str:
    if optimizer == promoted:
        return PROMOTED
    if optimizer == comparison.champion:
        return "is the champion"
    if optimizer in refusals:
        return refusals[optimizer]
    return "not judged" if optimizer not in comparison.verdicts else str(comparison.verdicts[optimizer])


def decisions_by_name(ranking: Ranking, named: str, decision: str) -> list[ConfigurationDecision]:
    """Return the decisions if a person promotes the configuration `named`; `decision` is the one about it."""
    return [
        ConfigurationDecision(
            configuration.rank,
            configuration.optimizer,
            configuration.text(ranking.ranked_by),
            None,
            decision if configuration.optimizer == named else "not judged",
        )
        for configuration in ranking.configurations
    ]
