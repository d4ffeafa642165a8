"""Ranking verdicts: the verdicts on the configurations of a ranking, and their table.

In: a `Ranking`. Out: verdicts on the best configuration against each other one, or on all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from pipeline.comparison.collapse import Member, find_collapsed
from pipeline.comparison.members import MemberScores, are_positive
from pipeline.comparison.ranking import RANKED_BY, Ranking
from pipeline.comparison.replicates import Replicates, past_spreads
from pipeline.comparison.rules import ALL_PAIRS, DEFAULT_CHOICES, Choices, Family, Rules, best_against_rest
from pipeline.comparison.verdicts import Verdict, compare_pairs
from pipeline.metrics.catalogue import definition

VERDICTS_SCHEMA = pa.schema(
    [
        ("family", pa.string()),  # the pairs that p is corrected for: "best" against each other one, or "all"
        *((name, pa.string()) for name in ("first", "second", "metric")),
        *((name, pa.float64()) for name in ("difference", "low", "high", "p", "corrected_p")),
        ("verdict", pa.string()),  # on the first: "better" | "worse" | "tied" | "undecided"
        ("test", pa.string()),
        ("scale", pa.string()),
        ("paired", pa.bool_()),
        *((name, pa.int64()) for name in ("members", "first_members", "second_members")),
        *((name, pa.string()) for name in ("first_failed", "second_failed")),
        ("look", pa.int64()),
        ("more_members", pa.int64()),  # null: decided, or no number can be given
        ("note", pa.string()),
    ]
)


def verdicts_on(ranking: Ranking, metric: str | None = None, family: Family = ALL_PAIRS) -> list[Verdict]:
    """Return a verdict on every pair of ranked configurations, in order, by the ranking's metric or another one."""
    evidence = [configuration.replicates for configuration in ranking.configurations]
    return compare_replicates(evidence, metric or ranking.ranked_by, family, past=ranking.past, choices=ranking.choices)


def verdicts_on_best(ranking: Ranking, metric: str | None = None) -> list[Verdict]:
    """Return the first ranked configuration's verdict against each other one; p is corrected for these pairs."""
    if len(ranking.configurations) < 2:
        return []
    return verdicts_on(ranking, metric, best_against_rest(ranking.configurations[0].optimizer))


def compare_replicates(
    evidence: Sequence[Replicates],
    metric: str,
    family: Family = ALL_PAIRS,
    *,
    names: Sequence[str] | None = None,
    past: Sequence[Replicates] = (),
    choices: Choices = DEFAULT_CHOICES,
) -> list[Verdict]:
    """Return a verdict on every pair of a family; none for a metric without a better end.

    `names` replace the keys of the configurations. `past` are earlier trainings, which show how much members vary.
    Raises `ValueError` if no report has the metric.
    """
    having = [one.newest for one in evidence if metric in one.metrics()]
    if evidence and not having:
        raise ValueError(f"metric {metric!r}: in no report; expected one of: {', '.join(evidence[0].metrics())}")
    if not having or having[0].better(metric) not in ("lower", "higher"):
        return []
    scores = _scores(evidence, metric, names)
    scale = definition(metric).scale if are_positive(scores) else "linear"
    lower = having[0].better(metric) == "lower"
    fids = _scores(evidence, RANKED_BY, names)
    spreads = past_spreads(past, metric, scale, _collapsed_before(fids, past))
    return compare_pairs(scores, Rules(metric, lower, scale, choices, spreads), family, _collapsed(fids))


def _scores(evidence: Sequence[Replicates], metric: str, names: Sequence[str] | None) -> list[MemberScores]:
    keys = [one.newest.optimizer for one in evidence] if names is None else names
    return [one.scores(metric, name) for one, name in zip(evidence, keys, strict=True)]


def _collapsed(scores: Sequence[MemberScores]) -> dict[str, frozenset[Member]]:
    """Return the members that collapsed by FID; they count as collapsed for every metric."""
    return find_collapsed({one.name: one.sound() for one in scores}) if are_positive(scores) else {}


def _collapsed_before(present: Sequence[MemberScores], past: Sequence[Replicates]) -> list[frozenset[Member]]:
    """Return the members of each earlier training that collapsed, by FID and beside the present ones."""
    names = [f"earlier training {number}" for number in range(len(past))]
    collapsed = _collapsed([*present, *(one.scores(RANKED_BY, name) for one, name in zip(past, names, strict=True))])
    return [collapsed.get(name, frozenset()) for name in names]


def all_verdicts(ranking: Ranking) -> dict[str, list[Verdict]]:
    """Return the verdicts by every metric with a better end, by family: "best" against each other one, and "all"."""
    metrics = {metric: None for configuration in ranking.configurations for metric in configuration.scores}
    return {
        "best": [verdict for metric in metrics for verdict in verdicts_on_best(ranking, metric)],
        "all": [verdict for metric in metrics for verdict in verdicts_on(ranking, metric)],
    }


def verdicts_table(verdicts: dict[str, list[Verdict]]) -> pa.Table:
    """Return one row per family, pair and metric, with the fields of `Verdict` as columns."""
    rows = [{"family": family, **asdict(verdict)} for family, of_family in verdicts.items() for verdict in of_family]
    return pa.Table.from_pylist(rows, schema=VERDICTS_SCHEMA)
