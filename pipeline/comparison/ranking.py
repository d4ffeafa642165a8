"""Ranking: every configuration's scores as mean and 95 % interval over members, the best by one metric first.

In: the reports of a recipe. Out: `Ranking`, and its table. Each configuration counts with all its replicates
(`replicates.py`). Only comparable reports are ranked (`protocol.py`): `rank` raises for others. `compare` ranks the
largest comparable group, and lists the reports outside it and the configurations without a report. A quick trial of one
configuration therefore does not change the ranking of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.comparison.protocol import difference, expect_comparable_reports, largest_group
from pipeline.comparison.replicates import Replicates, alone, pool_of, pools, same_evidence
from pipeline.comparison.rules import DEFAULT_CHOICES, Choices, Test
from pipeline.comparison.significance import LEVEL, t_quantile
from pipeline.evidence import number
from pipeline.reports.store import Report, history_of
from pipeline.settings import TIE_MARGIN, load_recipes
from pipeline.storage.paths import Paths

RANKED_BY = "fid"
FACTS = (
    *("optimizer", "steps", "width", "seed", "members", "diverged_members", "n_generated", "n_real"),
    *("extractor", "extractor_sha256", "source", "created_at", "report_id"),
)


@dataclass(frozen=True)
class Estimate:
    """A score over members: mean and half-width of the 95 % interval (Student's t).

    The half-width is NaN for a single member. Both are NaN if no member has the score.
    """

    mean: float
    half_width: float

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "none"
        if math.isnan(self.half_width):
            return number(self.mean)
        if self.half_width == 0:
            return f"{number(self.mean)} ± 0"
        decimals = max(0, 1 - math.floor(math.log10(self.half_width)))  # as many as show two digits of the half-width
        return f"{self.mean:.{decimals}f} ± {self.half_width:.{decimals}f}"


@dataclass(frozen=True)
class RankedConfiguration:
    """One configuration in the ranking."""

    rank: int  # from 1
    replicates: Replicates
    scores: dict[str, Estimate]

    @property
    def report(self) -> Report:
        """The newest report of the configuration."""
        return self.replicates.newest

    @property
    def optimizer(self) -> str:
        """The key of the configuration."""
        return self.report.optimizer

    def scored_by(self, metric: str) -> bool:
        """Return whether at least one member has a score by a metric."""
        return metric in self.scores and not math.isnan(self.scores[metric].mean)

    def text(self, metric: str) -> str:
        """Return a score as text: "diverged" if every member did, "-" without the score."""
        if metric not in self.scores:
            return "-"
        return "diverged" if self.replicates.diverged == self.replicates.count else str(self.scores[metric])

    def facts(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return columns of the newest report, with the members of all pooled reports."""
        pooled = {"members": self.replicates.count, "diverged_members": self.replicates.diverged}
        return {name: pooled.get(name, value) for name, value in self.report.facts(columns).items()}


@dataclass(frozen=True)
class Ranking:
    """The configurations that can be compared, best first, and those that cannot."""

    recipe: str
    configurations: list[RankedConfiguration]
    missing: list[str]  # configurations without a report
    incomparable: dict[str, str]  # differences from the ranked reports, by configuration that cannot be compared
    ranked_by: str = RANKED_BY
    past: Sequence[Replicates] = ()  # earlier trainings that can be compared with the ranked ones
    choices: Choices = DEFAULT_CHOICES


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean over members, and the half-width of its 95 % interval."""
    count = len(values)
    if count == 0:
        return Estimate(math.nan, math.nan)
    if count == 1:
        return Estimate(float(values[0]), math.nan)
    half_width = t_quantile(LEVEL, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return Estimate(float(np.mean(values)), float(half_width))


def score_text(report: Report, metric: str) -> str:
    """Return a report's score as text: "diverged" if every member did, "-" if the report lacks the score."""
    if metric not in report.metrics():
        return "-"
    members = report.members
    if members and report.diverged_members == members:
        return "diverged"
    return str(estimate(report.scores(metric)))


def rank(evidence: Sequence[Replicates], metric: str = RANKED_BY) -> list[RankedConfiguration]:
    """Return configurations with comparable reports, the best mean of a metric first and diverged ones last.

    Raises `UnlikeProtocolsError` for reports that cannot be compared, `ValueError` for a metric that no report has or
    that has no better end.
    """
    reports = [replicates.newest for replicates in evidence]
    expect_comparable_reports(reports)
    sign = _sign(reports, metric)
    scored = [(one, {name: estimate(one.values(name)) for name in one.metrics()}) for one in evidence]

    def order(entry: tuple[Replicates, dict[str, Estimate]]) -> tuple[bool, float, str]:
        replicates, scores = entry
        mean = scores[metric].mean if metric in scores else math.nan
        return (math.isnan(mean), sign * mean, replicates.newest.optimizer)

    return [RankedConfiguration(position, *entry) for position, entry in enumerate(sorted(scored, key=order), start=1)]


def _sign(reports: Sequence[Report], metric: str) -> int:
    """Return 1 if lower values of a metric are better, -1 if higher ones are."""
    better = {name: report.better(name) for report in reports for name in report.metrics()}
    ranked = {name: direction for name, direction in better.items() if direction in ("lower", "higher")}
    signs = {name: 1 if direction == "lower" else -1 for name, direction in ranked.items()}
    if not reports:
        return 1
    if metric not in signs:
        problem = "has no better end" if metric in better else "is in no report"
        raise ValueError(f"metric {metric!r} {problem}; expected one of: {', '.join(signs)}")
    return signs[metric]


def compare(
    recipe: str,
    optimizers: Sequence[str],
    paths: Paths,
    metric: str = RANKED_BY,
    *,
    newest: bool = False,
    test: Test = "moderated",
) -> Ranking:
    """Rank the largest comparable group among the newest reports of a recipe's configurations.

    Each report counts with all replicates that can be pooled with it; `newest` leaves out those of older reports.
    """
    stored = history_of(paths.reports(), recipe)
    latest = {report.optimizer: report for report in stored}  # oldest first: the newest one stays
    reports = [report for report in latest.values() if report.optimizer in optimizers]
    ranked = largest_group(sorted(reports, key=lambda report: report.optimizer))
    evidence = [alone(report) if newest else pool_of(report, stored) for report in ranked]
    return Ranking(
        recipe,
        configurations=rank(evidence, metric) if ranked else [],
        missing=[optimizer for optimizer in optimizers if optimizer not in latest],
        incomparable={report.optimizer: difference(ranked[0], report) for report in reports if report not in ranked},
        ranked_by=metric,
        past=other_trainings(evidence, stored),
        choices=Choices(test, tie_margin(recipe)),
    )


def other_trainings(evidence: Sequence[Replicates], stored: Sequence[Report]) -> list[Replicates]:
    """Return the stored trainings that can be compared with the first of `evidence` and are none of it."""
    if not evidence:
        return []
    comparable = [report for report in stored if _is_comparable(evidence[0].newest, report)]
    return [one for one in pools(comparable) if not any(same_evidence(one, ranked) for ranked in evidence)]


def _is_comparable(newest: Report, report: Report) -> bool:
    try:
        return not difference(newest, report)
    except ValueError:  # a report of the first versions, without a protocol
        return False


def tie_margin(recipe: str) -> float:
    """Return the relative difference below which a recipe's configurations are tied."""
    entry = load_recipes().get(recipe)  # a recipe that is in no table any more still has reports
    return TIE_MARGIN if entry is None else entry.tie_margin


def best_of(ranking: Ranking) -> str | None:
    """Return the best configuration's key, or None if no configuration has a score."""
    first = ranking.configurations[0] if ranking.configurations else None
    return None if first is None or not first.scored_by(ranking.ranked_by) else first.optimizer


def as_table(ranking: Ranking) -> pa.Table:
    """Return one row per configuration: rank, facts, and mean, half-width, floor and ceiling of each score."""
    if not ranking.configurations:
        return pa.table({"rank": pa.array([], pa.int64()), "optimizer": pa.array([], pa.string())})
    rows = [_row(configuration) for configuration in ranking.configurations]
    columns = dict.fromkeys(name for row in rows for name in row)  # the first row may lack a score
    return pa.table({name: [row.get(name) for row in rows] for name in columns})


def _row(configuration: RankedConfiguration) -> dict[str, Any]:
    row = {"rank": configuration.rank, **configuration.facts(FACTS)}
    for metric, score in configuration.scores.items():
        floor, ceiling = configuration.report.anchors(metric)
        row |= {f"{metric}_mean": score.mean, f"{metric}_half_width": score.half_width}
        row |= {f"{metric}_floor": floor, f"{metric}_ceiling": ceiling}
    return row
