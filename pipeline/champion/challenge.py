"""Challenge: which configurations are significantly better than the champion, by the comparison's own verdict.

In: the ranking of the newest comparable reports, and the reports about the champion's weights. Out: `Challenge`. The
champion is judged by what was measured of its own weights, also where its configuration was trained again since: then
its report joins the family of comparisons under a name of its own, and every p value is corrected for one more.
A champion is a generator to use: its scores need the challengers' protocol, but not their steps and width. Where those
differ, the decision says so.
Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.champion.versions import Champion
from pipeline.comparison.protocol import budget_difference, protocol_difference
from pipeline.comparison.ranking import Ranking, Standing
from pipeline.comparison.verdicts import BETTER, UNDECIDED, WORSE, Direction, Verdict, judge, member_scores
from pipeline.reports.store import Report

OPPOSITE: dict[Direction, Direction] = {BETTER: WORSE, WORSE: BETTER, UNDECIDED: UNDECIDED}


@dataclass(frozen=True)
class Challenge:
    """The configurations that may be promoted, and why the others may not."""

    ranking: Ranking
    better: list[Standing]  # the best ranked first
    verdicts: dict[str, Verdict]  # on each challenger against the champion; empty where there is none
    champion: str | None  # the configuration in the ranking that is the champion itself
    standstill: str  # why nothing could be judged; empty: it could
    unequal: str = ""  # how the champion's training differs in steps and width from the challengers'


def challenge(ranking: Ranking, champion: Champion | None, of_its_weights: Sequence[Report]) -> Challenge:
    """Who is better than the champion; where there is none, everyone with a score may be promoted.

    `of_its_weights` are the stored reports about the champion's weights, the one it was promoted for first.
    """
    scored = [standing for standing in ranking.standings if standing.scored_by(ranking.ranked_by)]
    if not scored or champion is None:
        return Challenge(ranking, scored, {}, None, "" if scored else _nothing_scored(ranking))
    itself = _itself(ranking, champion)
    own = None if itself is not None else _comparable(scored[0].report, of_its_weights)
    if itself is None and own is None:
        return Challenge(ranking, [], {}, None, _unlike(champion, scored[0].report, of_its_weights))
    verdicts = _verdicts(ranking, itself, own, name=f"champion ({champion.optimizer})")
    better = [each for each in scored if each is not itself and verdicts[each.optimizer].verdict == BETTER]
    unequal = "" if own is None else budget_difference(own, scored[0].report)
    return Challenge(ranking, better, verdicts, None if itself is None else itself.optimizer, "", unequal)


def _itself(ranking: Ranking, champion: Champion) -> Standing | None:
    """The standing that is about the champion's own weights."""
    for standing in ranking.standings:
        report = standing.report
        is_of_training = report.training_fingerprint == champion.training_fingerprint
        if is_of_training and report.weights == champion.weights:
            return standing
    return None


def _comparable(newest: Report, of_its_weights: Sequence[Report]) -> Report | None:
    """The first report that was measured as the newest were."""
    return next((report for report in of_its_weights if not protocol_difference(newest, report)), None)


def _verdicts(ranking: Ranking, itself: Standing | None, own: Report | None, name: str) -> dict[str, Verdict]:
    """The verdict on every other configuration against the champion, corrected for all pairs of the family."""
    metric = ranking.ranked_by
    scores = [member_scores(standing.report, metric) for standing in ranking.standings]
    if own is not None:
        scores.append(member_scores(own, metric, name))
    champion = name if itself is None else itself.optimizer
    lower = ranking.standings[0].report.better(metric) == "lower"
    found = judge(scores, metric, lower_is_better=lower)
    sides = [seen_by_first(each, champion) for each in found if champion in (each.first, each.second)]
    return {each.first: each for each in sides}


def seen_by_first(verdict: Verdict, second: str) -> Verdict:
    """The same verdict with one of its two configurations as the second."""
    if verdict.second == second:
        return verdict
    return replace(
        verdict,
        first=verdict.second,
        second=verdict.first,
        difference=_negative(verdict.difference),
        low=_negative(verdict.high),
        high=_negative(verdict.low),
        verdict=OPPOSITE[verdict.verdict],
    )


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _nothing_scored(ranking: Ranking) -> str:
    if not ranking.standings:
        return f"no configuration has a report yet; make some with: ganforge materialize {ranking.recipe}"
    return f"no configuration has a score by {ranking.ranked_by}: every member diverged"


def _unlike(champion: Champion, newest: Report, of_its_weights: Sequence[Report]) -> str:
    """The champion's scores cannot be held against the newest ones: how, and what to do."""
    way_out = (
        f"score all the same way, or promote one without a verdict with: "
        f"ganforge champion promote {champion.recipe} --optimizer KEY --force"
    )
    if not of_its_weights:
        return f"the report of its weights, {champion.report_id[:12]}, is not in the store any more; {way_out}"
    how = protocol_difference(newest, of_its_weights[0])
    return f"the ranked reports were measured differently ({how}); {way_out}"
