"""Ranking: the newest scores of every recipe and configuration as a table."""

from __future__ import annotations

import math

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_reports, recipes_of
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import (
    Estimate,
    RankedConfiguration,
    Ranking,
    as_table,
    compare,
    score_text,
    verdicts_on,
    verdicts_on_best,
)
from pipeline.comparison.verdicts import Verdict, how_sure
from pipeline.evidence import number
from pipeline.reports.store import Report
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths
from pipeline.training.kinds_of_weights import AVERAGE

SHOWN = {"fid": "FID", "inception_score": "Inception Score", "missing_classes": "missing classes"}
ANCHORED = ("fid", "inception_score")  # the first of SHOWN; real images and noise have rows for them
COLUMNS = ("optimizer", *SHOWN.values(), "members", "steps", "images", "made (UTC)")


def answer(recipe: str | None) -> Answer:
    """Return one table per recipe."""
    paths = Paths.default()
    reports = newest_reports(paths.reports(), recipe)
    optimizers = list(load_optimizers())
    rankings = [compare(key, optimizers, paths) for key in recipes_of(reports)]
    rankings = [ranking for ranking in rankings if ranking.configurations]
    text = "\n\n".join([*(render(ranking) for ranking in rankings), *without_table(reports, optimizers)])
    rows = [{"recipe": ranking.recipe, **row} for ranking in rankings for row in as_table(ranking).to_pylist()]
    return Answer(text, rows)


def without_table(reports: list[Report], optimizers: list[str]) -> list[str]:
    """Return a line for stored reports of configurations that no table defines any more."""
    keys = [(report.recipe, report.optimizer) for report in reports]
    names = [f"{recipe} {optimizer}" for recipe, optimizer in keys if optimizer not in optimizers]
    if not names:
        return []
    return [f"kept, but in no table now (is GANFORGE_OPTIMIZERS set?): {', '.join(names)}"]


def render(ranking: Ranking) -> str:
    """Return a ranking as text: data, extractor, one row per configuration, anchors, verdicts, exclusions."""
    rows = [list(COLUMNS), *(_row(configuration) for configuration in ranking.configurations)]
    first = ranking.configurations[0].report
    rows += [_anchors(first, name, side) for side, name in enumerate(("real images", "noise"))]
    sha256 = first.extractor_sha256
    lines = [
        f"{ranking.recipe}: mean ± 95 % interval over members (none for one member), best FID first",
        f"data: {first.source}; {first.n_real:,} real test images; "
        f"extractor: {first.extractor} {sha256[:12]}{_accuracy(first)}",
        "",
        *aligned(rows),
    ]
    lines += [f"{SHOWN[metric]}: {note}" for metric, note in first.notes().items() if metric in SHOWN]
    lines += _averaged(ranking)
    if ranking.missing:
        lines.append(f"no report yet: {', '.join(ranking.missing)}")
    lines += [f"not comparable: {optimizer} ({how})" for optimizer, how in ranking.incomparable.items()]
    lines += _verdicts(ranking)
    return "\n".join(lines)


def _anchors(report: Report, name: str, side: int) -> list[str]:
    """Return the row of the floor (side 0) or the ceiling (1); a score that is not defined has none."""
    anchors = [report.anchors(metric)[side] if metric in report.metrics() else None for metric in ANCHORED]
    return [name, *map(number, anchors), *[""] * (len(COLUMNS) - 1 - len(anchors))]


def _accuracy(report: Report) -> str:
    """Return the extractor's accuracy on the data set's own labels; empty if it was trained on others."""
    accuracy = report.extractor_accuracy
    return "" if accuracy is None else f" ({100 * accuracy:.1f} % accurate)"


def _averaged(ranking: Ranking) -> list[str]:
    """Return a line with the configurations that were scored with averaged weights, if there are any."""
    averaged = [
        configuration.optimizer for configuration in ranking.configurations if configuration.report.weights == AVERAGE
    ]
    return [f"scored with averaged weights: {', '.join(averaged)}"] if averaged else []


def _verdicts(ranking: Ranking) -> list[str]:
    """Return a second table: the best configuration against each other one by FID, or a line if none is decidable."""
    if len(ranking.configurations) < 2:
        return []
    best = verdicts_on_best(ranking)
    if all(verdict.members < 2 for verdict in best):
        return ["which is better is undecided: that takes at least 2 members with a score of each (--members)"]
    head = [f"{best[0].first} against", "FID difference", "corrected p", "verdict"]
    pairs = math.comb(len(ranking.configurations), 2)
    lines = [
        "",
        *aligned([head, *(_verdict_row(verdict) for verdict in best)]),
        f"differences by member, with 95 % intervals; p is Holm's over {_all_pairs(pairs)}; "
        "more members: --members, for a chance of 80 %",
    ]
    return [*lines, *filter(None, how_sure(verdicts_on(ranking)).split("; "))]


def _all_pairs(count: int) -> str:
    return "the one pair" if count == 1 else f"all {count} pairs"


def _verdict_row(verdict: Verdict) -> list[str]:
    return [verdict.second, difference_text(verdict), _p(verdict.corrected_p), str(verdict)]


def difference_text(verdict: Verdict) -> str:
    """Return the difference with the half-width of its interval."""
    if verdict.difference is None:
        return "-"
    half_width = math.nan if verdict.high is None else verdict.high - verdict.difference
    return str(Estimate(verdict.difference, half_width))


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def _row(configuration: RankedConfiguration) -> list[str]:
    report = configuration.report
    diverged = report.diverged_members
    members = str(report.members) + (f" ({diverged} diverged)" if diverged else "")
    return [
        configuration.optimizer,
        *(score_text(report, metric) for metric in SHOWN),
        members,
        f"{report.steps:,}",
        f"{report.n_generated:,}",
        f"{report.created_at:%Y-%m-%d %H:%M}",
    ]
