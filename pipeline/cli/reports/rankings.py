"""Rankings: the newest scores of every recipe and configuration as a table."""

from __future__ import annotations

import argparse
import math

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.chosen import newest_reports, recipes_of
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import (
    Estimate,
    RankedConfiguration,
    Ranking,
    as_table,
    compare,
    shown,
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
ANCHORED = ("fid", "inception_score")  # the first of SHOWN, whose real images and noise are shown too
COLUMNS = ("optimizer", *SHOWN.values(), "members", "steps", "images", "made (UTC)")


def answer(arguments: argparse.Namespace) -> Answer:
    """One table a recipe."""
    paths = Paths.default()
    reports = newest_reports(paths.reports(), arguments.recipe)
    optimizers = list(load_optimizers())
    rankings = [compare(recipe, optimizers, paths) for recipe in recipes_of(reports)]
    rankings = [ranking for ranking in rankings if ranking.configurations]
    text = "\n\n".join([*(render(ranking) for ranking in rankings), *undefined(reports, optimizers)])
    rows = [{"recipe": ranking.recipe, **row} for ranking in rankings for row in as_table(ranking).to_pylist()]
    return Answer(text, rows)


def undefined(reports: list[Report], optimizers: list[str]) -> list[str]:
    """A line for reports that are kept but whose configuration no table has any more."""
    keys = [(report.recipe, report.optimizer) for report in reports]
    names = [f"{recipe} {optimizer}" for recipe, optimizer in keys if optimizer not in optimizers]
    if not names:
        return []
    return [f"kept, but in no table now (is GANFORGE_OPTIMIZERS set?): {', '.join(names)}"]


def render(ranking: Ranking) -> str:
    """A ranking as text: what it was measured with, a row a configuration, anchors, verdicts, and what is not in it."""
    rows = [list(COLUMNS), *(_row(configuration) for configuration in ranking.configurations)]
    first = ranking.configurations[0].report
    rows += [_anchors(first, name, place) for place, name in enumerate(("real images", "noise"))]
    sha256 = first.extractor_sha256
    lines = [
        f"{ranking.recipe}: mean ± 95 % interval over members (none for one member), best FID first",
        f"data: {first.source}; {first.n_real:,} real test images; "
        f"extractor: {first.extractor} {sha256[:12]}{_accurate(first)}",
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


def _anchors(report: Report, name: str, place: int) -> list[str]:
    """The row of the floor (place 0) or the ceiling (1); a score that is not defined has none."""
    found = [report.anchors(metric)[place] if metric in report.metrics() else None for metric in ANCHORED]
    return [name, *map(number, found), *[""] * (len(COLUMNS) - 1 - len(found))]


def _accurate(report: Report) -> str:
    """How good the extractor is at the data set's own labels; nothing where it was trained on others."""
    accuracy = report.extractor_accuracy
    return "" if accuracy is None else f" ({100 * accuracy:.1f} % accurate)"


def _averaged(ranking: Ranking) -> list[str]:
    """Return a line that names the configurations of which the average of the weights was scored, if there are any."""
    averaged = [
        configuration.optimizer for configuration in ranking.configurations if configuration.report.weights == AVERAGE
    ]
    return [f"scored with averaged weights: {', '.join(averaged)}"] if averaged else []


def _verdicts(ranking: Ranking) -> list[str]:
    """A second table: the best configuration against each other one on FID, or a line where none can be judged."""
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
    return [verdict.second, difference_shown(verdict), _p(verdict.corrected_p), str(verdict)]


def difference_shown(verdict: Verdict) -> str:
    """The difference with the half-width of its interval."""
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
        *(shown(report, metric) for metric in SHOWN),
        members,
        f"{report.steps:,}",
        f"{report.n_generated:,}",
        f"{report.created_at:%Y-%m-%d %H:%M}",
    ]
