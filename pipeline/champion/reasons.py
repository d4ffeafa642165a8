"""Reasons: what is said of a decision: of the one who is promoted, of the champion that stays, of each configuration.

In: a challenge and what came of it. Out: sentences without a full stop, and a row a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.champion.challenge import Challenge
from pipeline.champion.decisions import PROMOTED
from pipeline.champion.promotion import Considered
from pipeline.champion.versions import Champion
from pipeline.comparison.ranking import Ranking, Standing, shown, verdicts_on
from pipeline.comparison.verdicts import UNDECIDED, Verdict
from pipeline.evidence import number


def why(met: Challenge, standing: Standing, champion: Champion | None) -> str:
    """Why a configuration is promoted."""
    metric, count = met.ranking.ranked_by, len(met.ranking.standings)
    score = f"{metric.upper()} {standing.scores[metric]}"
    if champion is None:
        of = f"the best of {count} configurations" if count > 1 else "the only configuration with a score"
        open_still = _undecided_against(met.ranking, standing)
        against = f"; undecided against {', '.join(open_still)}" if open_still else ""
        return f"{standing.optimizer} is the first champion: {of}, {score}{against}"
    unequal = f"; unequal trainings: {met.unequal}" if met.unequal else ""
    numbers = _numbers(met.verdicts[standing.optimizer])
    return f"{standing.optimizer} is better than {champion}: {score}, {numbers}{unequal}"


def _undecided_against(ranking: Ranking, standing: Standing) -> list[str]:
    """The other configurations of which nobody can say whether it is better than they are."""
    pairs = [(each.first, each.second) for each in verdicts_on(ranking) if each.verdict == UNDECIDED]
    return [other for pair in pairs if standing.optimizer in pair for other in pair if other != standing.optimizer]


def why_not(met: Challenge, champion: Champion | None, refusals: Mapping[str, str], only: str | None) -> str:
    """Why nobody is promoted; `refusals` of those who might have been, by configuration."""
    stays = stands(champion)
    if met.standstill:
        return f"{stays}: {met.standstill}"
    if refusals:
        is_better = "" if champion is None else "is better, but "
        return f"{stays}: " + "; ".join(f"{name} {is_better}{refusal}" for name, refusal in refusals.items())
    if only is not None:
        return f"{stays}: {_said_of(met, only)}"
    if not met.verdicts:
        return f"{stays}: no other configuration has comparable scores"
    nearest = next(each.optimizer for each in met.ranking.standings if each.optimizer in met.verdicts)
    return f"{stays}: no configuration is significantly better ({_said_of(met, nearest)})"


def stands(champion: Champion | None) -> str:
    """How things are where nobody is promoted."""
    return "no champion yet" if champion is None else f"{champion} stays"


def _said_of(met: Challenge, optimizer: str) -> str:
    """What the comparison says of one configuration, in a clause."""
    if optimizer == met.champion:
        return f"{optimizer} is the champion itself"
    if optimizer in met.ranking.left_out:
        return f"{optimizer} cannot be compared with the ranked ones: {met.ranking.left_out[optimizer]}"
    if optimizer not in met.verdicts:
        made_with = f"ganforge materialize {met.ranking.recipe} --optimizer {optimizer}"
        return f"{optimizer} has no score yet; make a report with: {made_with}"
    verdict = met.verdicts[optimizer]
    return f"{optimizer}: {verdict if verdict.verdict == UNDECIDED else verdict.verdict}"


def _numbers(verdict: Verdict) -> str:
    low, high, p = number(verdict.low), number(verdict.high), number(verdict.corrected_p)
    return f"difference {number(verdict.difference)} ({low} to {high}), p {p} corrected for all pairs"


def rows(met: Challenge, promoted: str | None, refusals: Mapping[str, str]) -> list[Considered]:
    """What was decided about each configuration, those that cannot be compared at the end."""
    of_ranked = [
        Considered(
            standing.rank,
            standing.optimizer,
            shown(standing.report, met.ranking.ranked_by),
            met.verdicts.get(standing.optimizer),
            _decision(met, standing.optimizer, promoted, refusals),
        )
        for standing in met.ranking.standings
    ]
    left_out = met.ranking.left_out.items()
    return [*of_ranked, *(Considered(None, name, "", None, f"not comparable: {how}") for name, how in left_out)]


def _decision(met: Challenge, optimizer: str, promoted: str | None, refusals: Mapping[str, str]) -> str:
    if optimizer == promoted:
        return PROMOTED
    if optimizer == met.champion:
        return "is the champion"
    if optimizer in refusals:
        return refusals[optimizer]
    return "not judged" if optimizer not in met.verdicts else str(met.verdicts[optimizer])


def rows_by_name(ranking: Ranking, named: str, decision: str) -> list[Considered]:
    """The same where a person names one to promote, and what was decided about that one."""
    return [
        Considered(
            each.rank,
            each.optimizer,
            shown(each.report, ranking.ranked_by),
            None,
            decision if each.optimizer == named else "not judged",
        )
        for each in ranking.standings
    ]
