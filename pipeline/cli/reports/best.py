"""Best: the best configuration by a metric, and what can be said of it against each other one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.chosen import NoReportError, metric_named, newest_reports, recipes_of
from pipeline.cli.reports.rankings import difference_shown, undefined
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import RankedConfiguration, Ranking, best_of, compare, verdicts_on, verdicts_on_best
from pipeline.comparison.verdicts import Verdict, how_sure
from pipeline.evidence import number
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths


def answer(arguments: argparse.Namespace) -> Answer:
    """One recipe's best configuration, or every recipe's."""
    paths = Paths.default()
    reports = newest_reports(paths.reports(), arguments.recipe)
    metric = metric_named(reports, arguments.metric)
    optimizers = list(load_optimizers())
    rankings = [compare(recipe, optimizers, paths, metric) for recipe in recipes_of(reports)]
    judged = [ranking for ranking in rankings if best_of(ranking) is not None]
    unknown = undefined(reports, optimizers)
    if not judged:
        why = unknown or [f"no member has a score by {metric}: all diverged, or it is not defined for them"]
        raise NoReportError(why[0])
    found = [_found(ranking) for ranking in judged]
    text = "\n\n".join([*(_text(ranking) for ranking in judged), *unknown])
    rows = [{"recipe": each["recipe"], **row} for each in found for row in each["ranking"]]
    return Answer(text, rows, found[0] if arguments.recipe else found)


def _found(ranking: Ranking) -> dict[str, Any]:
    rows = [_row(configuration, ranking.ranked_by) for configuration in ranking.configurations]
    verdicts = [asdict(verdict) for verdict in verdicts_on_best(ranking)]
    return {
        "recipe": ranking.recipe,
        "metric": ranking.ranked_by,
        "better": _better(ranking),
        "best": rows[0]["optimizer"],
        "ranking": rows,
        "verdicts": verdicts,
        "left_out": ranking.incomparable,
    }


def _row(configuration: RankedConfiguration, metric: str) -> dict[str, Any]:
    report = configuration.report
    scored = metric in configuration.scores
    floor, ceiling = report.anchors(metric) if scored else (None, None)
    return {
        "rank": configuration.rank,
        "optimizer": configuration.optimizer,
        "metric": metric,
        "mean": configuration.scores[metric].mean if scored else None,
        "half_width": configuration.scores[metric].half_width if scored else None,
        "real_images": floor,
        "noise": ceiling,
        "members": report.members,
        "steps": report.steps,
        "report_id": report.report_id,
    }


def _text(ranking: Ranking) -> str:
    first, metric = ranking.configurations[0], ranking.ranked_by
    floor, ceiling = first.report.anchors(metric)
    anchors = ", ".join(
        f"{name} {number(value)}" for name, value in (("real images", floor), ("noise", ceiling)) if value is not None
    )
    members = first.report.members
    lines = [
        f"{ranking.recipe}: {first.optimizer}, {metric} {first.scores[metric]} "
        f"({members} {'member' if members == 1 else 'members'}; {_better(ranking)} is better; {anchors})"
    ]
    lines += (
        aligned([_against(verdict) for verdict in verdicts_on_best(ranking)]) if len(ranking.configurations) > 1 else []
    )
    lines += filter(None, [how_sure(verdicts_on(ranking))])
    return "\n".join([*lines, *(f"not comparable: {name} ({how})" for name, how in ranking.incomparable.items())])


def _against(verdict: Verdict) -> list[str]:
    return [f"  against {verdict.second}", difference_shown(verdict), str(verdict)]


def _better(ranking: Ranking) -> str:
    return ranking.configurations[0].report.better(ranking.ranked_by)
