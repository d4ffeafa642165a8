"""Ranking: every configuration's scores as mean and 95 % interval over members, the best by one metric first.

In: the newest reports of a recipe. Out: `Ranking`, and its tables. Only comparable reports are ranked (`protocol.py`):
`rank` raises for others. `compare` ranks the largest comparable group, and lists the reports outside it and the
configurations without a report. A quick trial of one configuration therefore does not change the ranking of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.comparison.protocol import difference, expect_comparable_reports, largest_group
from pipeline.comparison.significance import LEVEL, t_quantile
from pipeline.comparison.verdicts import Verdict, compare_reports
from pipeline.evidence import number
from pipeline.reports.store import Report, latest_of_all
from pipeline.storage.paths import Paths

RANKED_BY = "fid"
FACTS = (
    *("optimizer", "steps", "width", "seed", "members", "diverged_members", "n_generated", "n_real"),
    *("extractor", "extractor_sha256", "source", "created_at", "report_id"),
)
VERDICTS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("first", "second", "metric")),
        *((name, pa.float64()) for name in ("difference", "low", "high", "p", "corrected_p")),
        ("verdict", pa.string()),  # on the first: "better" | "worse" | "undecided"
        ("paired", pa.bool_()),
        ("members", pa.int64()),
        ("more_members", pa.int64()),  # null: decided, or no number can be given
        ("note", pa.string()),
    ]
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
    report: Report
    scores: dict[str, Estimate]

    @property
    def optimizer(self) -> str:
        """The key of the configuration."""
        return self.report.optimizer

    def scored_by(self, metric: str) -> bool:
        """Return whether at least one member has a score by a metric."""
        return metric in self.scores and not math.isnan(self.scores[metric].mean)


@dataclass(frozen=True)
class Ranking:
    """The configurations that can be compared, best first, and those that cannot."""

    recipe: str
    configurations: list[RankedConfiguration]
    missing: list[str]  # configurations without a report
    incomparable: dict[str, str]  # differences from the ranked reports, by configuration that cannot be compared
    ranked_by: str = RANKED_BY


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


def rank(reports: Sequence[Report], metric: str = RANKED_BY) -> list[RankedConfiguration]:
    """Return comparable reports, the best mean of a metric first and diverged ones last.

    Raises `UnlikeProtocolsError` for reports that cannot be compared, `ValueError` for a metric that no report has or
    that has no better end.
    """
    expect_comparable_reports(reports)
    sign = _sign(reports, metric)
    scored = [(report, {name: estimate(report.scores(name)) for name in report.metrics()}) for report in reports]

    def order(entry: tuple[Report, dict[str, Estimate]]) -> tuple[bool, float, str]:
        report, scores = entry
        mean = scores[metric].mean if metric in scores else math.nan
        return (math.isnan(mean), sign * mean, report.optimizer)

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


def compare(recipe: str, optimizers: Sequence[str], paths: Paths, metric: str = RANKED_BY) -> Ranking:
    """Rank the largest comparable group among the newest reports of a recipe's configurations."""
    reports = [report for report in latest_of_all(paths.reports(), recipe) if report.optimizer in optimizers]
    ranked = largest_group(reports)
    incomparable = {report.optimizer: difference(ranked[0], report) for report in reports if report not in ranked}
    reported = {report.optimizer for report in reports}
    return Ranking(
        recipe,
        configurations=rank(ranked, metric) if ranked else [],
        missing=[optimizer for optimizer in optimizers if optimizer not in reported],
        incomparable=incomparable,
        ranked_by=metric,
    )


def best_of(ranking: Ranking) -> str | None:
    """Return the best configuration's key, or None if no configuration has a score."""
    first = ranking.configurations[0] if ranking.configurations else None
    return None if first is None or not first.scored_by(ranking.ranked_by) else first.optimizer


def verdicts_on(ranking: Ranking, metric: str | None = None) -> list[Verdict]:
    """Return a verdict on every pair of ranked configurations, in order, by the ranking's metric or another one."""
    return compare_reports(
        [configuration.report for configuration in ranking.configurations], metric or ranking.ranked_by
    )


def verdicts_on_best(ranking: Ranking) -> list[Verdict]:
    """Return the best configuration's verdict against each other one; p is corrected for all pairs of the ranking."""
    return [verdict for verdict in verdicts_on(ranking) if verdict.first == ranking.configurations[0].optimizer]


def all_verdicts(ranking: Ranking) -> list[Verdict]:
    """Return the verdicts by every metric with a better end."""
    metrics = {metric: None for configuration in ranking.configurations for metric in configuration.scores}
    return [verdict for metric in metrics for verdict in verdicts_on(ranking, metric)]


def as_table(ranking: Ranking) -> pa.Table:
    """Return one row per configuration: rank, facts, and mean, half-width, floor and ceiling of each score."""
    if not ranking.configurations:
        return pa.table({"rank": pa.array([], pa.int64()), "optimizer": pa.array([], pa.string())})
    rows = [_row(configuration) for configuration in ranking.configurations]
    columns = dict.fromkeys(name for row in rows for name in row)  # the first row may lack a score
    return pa.table({name: [row.get(name) for row in rows] for name in columns})


def verdicts_table(verdicts: Sequence[Verdict]) -> pa.Table:
    """Return one row per pair and metric, with the fields of `Verdict` as columns."""
    return pa.Table.from_pylist([asdict(verdict) for verdict in verdicts], schema=VERDICTS_SCHEMA)


def _row(configuration: RankedConfiguration) -> dict[str, Any]:
    row = {"rank": configuration.rank, **configuration.report.facts(FACTS)}
    for metric, score in configuration.scores.items():
        floor, ceiling = configuration.report.anchors(metric)
        row |= {f"{metric}_mean": score.mean, f"{metric}_half_width": score.half_width}
        row |= {f"{metric}_floor": floor, f"{metric}_ceiling": ceiling}
    return row
