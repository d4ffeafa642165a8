"""Challenge: find the configurations that are significantly better than the champion, by the comparison's verdicts.

In: the ranking of the newest comparable reports, and the reports about the champion's weights. Out: `Challenge`. This
module reads no file.

The champion is compared using the report of its own weights, even if its configuration was retrained since. In that
case it is an extra entry in the comparison, and the Holm correction counts it.

A champion is a generator to use, so its scores must have the challengers' protocol, but not their steps and width. If
those differ, the reason of the decision states it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.champion.versions import Champion
from pipeline.comparison.protocol import budget_difference, protocol_difference
from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.comparison.verdicts import BETTER, UNDECIDED, WORSE, Direction, Verdict, compare_pairs, member_scores
from pipeline.reports.store import Report

OPPOSITE: dict[Direction, Direction] = {BETTER: WORSE, WORSE: BETTER, UNDECIDED: UNDECIDED}


@dataclass(frozen=True)
class Challenge:
    """The configurations that may be promoted, and the verdicts on all challengers."""

    ranking: Ranking
    better: list[RankedConfiguration]  # better than the champion, the best ranked first
    verdicts: dict[str, Verdict]  # of each challenger against the champion; empty without a champion
    champion: str | None  # the ranked configuration with the champion's own weights
    obstacle: str  # the reason why no comparison was possible; empty if it was
    unequal: str = ""  # the difference in steps and width between the champion's training and the challengers'


def challenge(ranking: Ranking, champion: Champion | None, champion_reports: Sequence[Report]) -> Challenge:
    """Compare every ranked configuration with the champion. Without a champion, each one with a score may be promoted.

    `champion_reports` are the stored reports about the champion's weights, the one it was promoted for first.
    """
    scored = [configuration for configuration in ranking.configurations if configuration.scored_by(ranking.ranked_by)]
    if not scored or champion is None:
        return Challenge(ranking, scored, {}, None, "" if scored else _nothing_scored(ranking))
    itself = _itself(ranking, champion)
    extra = None if itself is not None else _comparable(scored[0].report, champion_reports)
    if itself is None and extra is None:
        return Challenge(ranking, [], {}, None, _no_comparable_report(champion, scored[0].report, champion_reports))
    verdicts = _verdicts(ranking, itself, extra, name=f"champion ({champion.optimizer})")
    challengers = [configuration for configuration in scored if configuration is not itself]
    better = [challenger for challenger in challengers if verdicts[challenger.optimizer].verdict == BETTER]
    unequal = "" if extra is None else budget_difference(extra, scored[0].report)
    return Challenge(ranking, better, verdicts, None if itself is None else itself.optimizer, "", unequal)


def _itself(ranking: Ranking, champion: Champion) -> RankedConfiguration | None:
    """Return the ranked configuration with the champion's own weights, or None."""
    for configuration in ranking.configurations:
        report = configuration.report
        is_of_training = report.training_fingerprint == champion.training_fingerprint
        if is_of_training and report.weights == champion.weights:
            return configuration
    return None


def _comparable(newest: Report, champion_reports: Sequence[Report]) -> Report | None:
    """Return the first report with the protocol of the newest reports, or None."""
    return next((report for report in champion_reports if not protocol_difference(newest, report)), None)


def _verdicts(
    ranking: Ranking, itself: RankedConfiguration | None, extra: Report | None, name: str
) -> dict[str, Verdict]:
    """Return the verdict on every other configuration against the champion, corrected for all pairs.

    `extra` is the champion's report if none of the ranked ones is about its weights.
    """
    metric = ranking.ranked_by
    scores = [member_scores(configuration.report, metric) for configuration in ranking.configurations]
    if extra is not None:
        scores.append(member_scores(extra, metric, name))
    champion = name if itself is None else itself.optimizer
    lower = ranking.configurations[0].report.better(metric) == "lower"
    pairs = compare_pairs(scores, metric, lower_is_better=lower)
    verdicts = [seen_by_first(pair, champion) for pair in pairs if champion in (pair.first, pair.second)]
    return {verdict.first: verdict for verdict in verdicts}


def seen_by_first(verdict: Verdict, second: str) -> Verdict:
    """Return the verdict with its configurations exchanged if needed, so that `second` is the second one."""
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
    if not ranking.configurations:
        return f"no configuration has a report yet; make some with: ganforge materialize {ranking.recipe}"
    return f"no configuration has a score by {ranking.ranked_by}: every member diverged"


def _no_comparable_report(champion: Champion, newest: Report, champion_reports: Sequence[Report]) -> str:
    """Return why no report of the champion's weights can be compared with the newest reports, and a way out."""
    way_out = (
        f"score all the same way, or promote one without a verdict with: "
        f"ganforge champion promote {champion.recipe} --optimizer KEY --force"
    )
    if not champion_reports:
        return f"the report of its weights, {champion.report_id[:12]}, is not in the store any more; {way_out}"
    how = protocol_difference(newest, champion_reports[0])
    return f"the ranked reports were measured differently ({how}); {way_out}"
