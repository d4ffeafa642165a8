"""Best: the best configuration by a metric, with a verdict against each other one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.judging import RankingJudging
from pipeline.cli.reports.ranking import difference_text, explain, without_table
from pipeline.cli.reports.selection import NoReportError, find_metric, newest_reports, recipes_of
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import RankedConfiguration, Ranking, best_of, compare
from pipeline.comparison.ranking_verdicts import verdicts_on
from pipeline.comparison.verdicts import Verdict, how_sure
from pipeline.evidence import number
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths


def answer(recipe: str | None, metric_name: str, judging: RankingJudging) -> Answer:
    """Return one recipe's best configuration, or every recipe's."""
    paths = Paths.default()
    reports = newest_reports(paths.reports(), recipe)
    metric = find_metric(reports, metric_name)
    optimizers = list(load_optimizers())
    rankings = [
        compare(key, optimizers, paths, metric, newest=judging.newest, test=judging.test) for key in recipes_of(reports)
    ]
    decided = [ranking for ranking in rankings if best_of(ranking) is not None]
    unknown = without_table(reports, optimizers)
    if not decided:
        why = unknown or [f"no member has a score by {metric}: all diverged, or it is not defined for them"]
        raise NoReportError(why[0])
    values = [_values(ranking, judging) for ranking in decided]
    text = "\n\n".join([*(_text(ranking, judging) for ranking in decided), *unknown])
    rows = [{"recipe": value["recipe"], **row} for value in values for row in value["ranking"]]
    return Answer(text, rows, values[0] if recipe else values)


def _values(ranking: Ranking, judging: RankingJudging) -> dict[str, Any]:
    rows = [_row(configuration, ranking.ranked_by) for configuration in ranking.configurations]
    verdicts = [asdict(verdict) for verdict in _verdicts(ranking, judging)]
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
    score = configuration.scores.get(metric)
    floor, ceiling = (None, None) if score is None else report.anchors(metric)
    return {
        "rank": configuration.rank,
        "optimizer": configuration.optimizer,
        "metric": metric,
        "mean": None if score is None else score.mean,
        "half_width": None if score is None else score.half_width,
        "real_images": floor,
        "noise": ceiling,
        "members": configuration.replicates.count,
        "steps": report.steps,
        "report_id": report.report_id,
    }


def _text(ranking: Ranking, judging: RankingJudging) -> str:
    first, metric = ranking.configurations[0], ranking.ranked_by
    floor, ceiling = first.report.anchors(metric)
    anchors = ", ".join(
        f"{name} {number(value)}" for name, value in (("real images", floor), ("noise", ceiling)) if value is not None
    )
    members = first.replicates.count
    lines = [
        f"{ranking.recipe}: {first.optimizer}, {metric} {first.scores[metric]} "
        f"({members} {'member' if members == 1 else 'members'}; {_better(ranking)} is better; {anchors})"
    ]
    verdicts = _verdicts(ranking, judging)
    lines += aligned([_verdict_row(verdict, judging) for verdict in verdicts]) if verdicts else []
    lines += explain(verdicts, judging) if any(verdict.p is not None for verdict in verdicts) else []
    lines += filter(None, [how_sure(verdicts)])
    return "\n".join([*lines, *(f"not comparable: {name} ({how})" for name, how in ranking.incomparable.items())])


def _verdicts(ranking: Ranking, judging: RankingJudging) -> list[Verdict]:
    if len(ranking.configurations) < 2:
        return []
    return verdicts_on(ranking, family=judging.family(ranking.configurations[0].optimizer))


def _verdict_row(verdict: Verdict, judging: RankingJudging) -> list[str]:
    pair = f"{verdict.first} against {verdict.second}" if judging.all_pairs else f"against {verdict.second}"
    members = f"{verdict.first_members} and {verdict.second_members} members"
    return [f"  {pair}", difference_text(verdict), members, str(verdict)]


def _better(ranking: Ranking) -> str:
    return ranking.configurations[0].report.better(ranking.ranked_by)
