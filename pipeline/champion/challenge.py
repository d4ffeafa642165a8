"""Challenge: find the configurations that are significantly better than the champion, by the comparison's verdicts.

In: the ranking of the newest comparable reports, and the reports about the champion's weights. Out: `Challenge`. This
module reads no file.

The question is whether a configuration is better, so each side counts with all its replicates. A new training of the
champion's configuration with another seed is more evidence about the champion and no challenger. If the settings of its
configuration have changed since, the champion is an extra entry with the replicates of its own settings.

A champion is a generator to use, so its scores must have the challengers' protocol, but not their steps and width. If
those differ, the reason of the decision states it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.champion.versions import Champion
from pipeline.comparison.protocol import budget_difference, protocol_difference
from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.comparison.ranking_verdicts import compare_replicates
from pipeline.comparison.replicates import alone, pool_of, same_evidence
from pipeline.comparison.rules import fixed_against_rest
from pipeline.comparison.verdicts import BETTER, Verdict, seen_by_first
from pipeline.reports.store import Report


@dataclass(frozen=True)
class Challenge:
    """The configurations that may be promoted, and the verdicts on all challengers."""

    ranking: Ranking
    better: list[RankedConfiguration]  # better than the champion, the best ranked first
    verdicts: dict[str, Verdict]  # of each challenger against the champion; empty without a champion
    champion: str | None  # the ranked configuration that the champion is a member of
    obstacle: str  # the reason why no comparison was possible; empty if it was
    unequal: str = ""  # the difference in steps and width between the champion's training and the challengers'


def challenge(
    ranking: Ranking,
    champion: Champion | None,
    champion_reports: Sequence[Report],
    stored: Sequence[Report] = (),
) -> Challenge:
    """Compare every ranked configuration with the champion. Without a champion, each one with a score may be promoted.

    `champion_reports` are the stored reports about the champion's weights, the one it was promoted for first. `stored`
    are all reports of its configuration, oldest first.
    """
    scored = [configuration for configuration in ranking.configurations if configuration.scored_by(ranking.ranked_by)]
    if not scored or champion is None:
        return Challenge(ranking, scored, {}, None, "" if scored else _nothing_scored(ranking))
    itself = _itself(ranking, champion, champion_reports)
    extra = None if itself is not None else _comparable(scored[0].report, champion_reports)
    if itself is None and extra is None:
        return Challenge(ranking, [], {}, None, _no_comparable_report(champion, scored[0].report, champion_reports))
    verdicts = _verdicts(ranking, itself, extra, f"champion ({champion.optimizer})", stored)
    challengers = [configuration for configuration in scored if configuration is not itself]
    better = [challenger for challenger in challengers if verdicts[challenger.optimizer].verdict == BETTER]
    unequal = "" if extra is None else budget_difference(extra, scored[0].report)
    return Challenge(ranking, better, verdicts, None if itself is None else itself.optimizer, "", unequal)


def _itself(ranking: Ranking, champion: Champion, champion_reports: Sequence[Report]) -> RankedConfiguration | None:
    """Return the ranked configuration with the champion among its replicates, or None."""
    for configuration in ranking.configurations:
        report = configuration.report
        is_of_training = report.training_fingerprint == champion.training_fingerprint
        pooled = any(same_evidence(configuration.replicates, alone(one)) for one in champion_reports)
        if (is_of_training and report.weights == champion.weights) or pooled:
            return configuration
    return None


def _comparable(newest: Report, champion_reports: Sequence[Report]) -> Report | None:
    """Return the first report with the protocol of the newest reports, or None."""
    return next((report for report in champion_reports if not protocol_difference(newest, report)), None)


def _verdicts(
    ranking: Ranking, itself: RankedConfiguration | None, extra: Report | None, name: str, stored: Sequence[Report]
) -> dict[str, Verdict]:
    """Return the verdict on every other configuration against the champion, corrected for these pairs.

    `extra` is the champion's report if no ranked configuration has its replicates.
    """
    evidence = [configuration.replicates for configuration in ranking.configurations]
    names = [configuration.optimizer for configuration in ranking.configurations]
    champion = name
    if itself is not None:
        champion = itself.optimizer
    elif extra is not None:
        evidence, names = [*evidence, pool_of(extra, stored)], [*names, name]
    family = fixed_against_rest(champion)
    past = [one for one in ranking.past if not any(same_evidence(one, compared) for compared in evidence)]
    pairs = compare_replicates(evidence, ranking.ranked_by, family, names=names, past=past, choices=ranking.choices)
    verdicts = [seen_by_first(pair, champion) for pair in pairs]
    return {verdict.first: verdict for verdict in verdicts}


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
