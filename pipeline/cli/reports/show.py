"""Show: a recipe's ranking, or one complete report: every score per member, settings, protocol and origin."""

from __future__ import annotations

import datetime
import math
from typing import Any

from pipeline.cli.reports import ranking
from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import newest_report, newest_reports
from pipeline.cli.table import aligned
from pipeline.comparison.differences import flat
from pipeline.comparison.ranking import estimate, score_text
from pipeline.evidence import number
from pipeline.reports.store import Report, find_report
from pipeline.storage.paths import Paths

FACTS = (
    *("recipe", "optimizer", "report_id", "run_id", "created_at", "steps", "width", "seed", "members"),
    *("diverged_members", "n_generated", "weights", "n_real", "extractor", "extractor_sha256", "extractor_accuracy"),
    *("source", "device", "training_seconds", "scoring_seconds", "git_commit", "ganforge_version"),
    *("fingerprint", "training_fingerprint"),
)
JSON_FACTS = ("settings", "protocol", "data_versions")
MEMBER_COLUMNS = ("member", "value", "standard_error", "interval_low", "interval_high", "by_class")


def answer(recipe: str | None, optimizer: str | None, report_id: str | None) -> Answer:
    """Return the report, or without a configuration the ranking; `mnist_mlp/adam` names recipe and configuration."""
    root = Paths.default().reports()
    if report_id is not None:
        newest_reports(root)  # raises the sentence on an empty store
        return _report_answer(find_report(root, report_id))
    if optimizer is None and recipe is not None and "/" in recipe:
        recipe, _, optimizer = recipe.partition("/")
    if recipe is None or optimizer is None:
        return ranking.answer(recipe)
    return _report_answer(newest_report(root, recipe, optimizer))


def _report_answer(report: Report) -> Answer:
    facts = report.facts(FACTS)
    details = {"settings": report.settings, "protocol": report.protocol, "data_versions": report.data_versions}
    scores = [_score(report, metric) for metric in report.metrics()]
    return Answer(
        _text(report, facts, details, scores), report.rows.to_pylist(), {**facts, **details, "scores": scores}
    )


def _score(report: Report, metric: str) -> dict[str, Any]:
    mean, (floor, ceiling) = estimate(report.scores(metric)), report.anchors(metric)
    rows = [row for row in report.rows.to_pylist() if row["metric"] == metric]
    return {
        "metric": metric,
        "mean": mean.mean,
        "half_width": mean.half_width,
        "real_images": floor,
        "noise": ceiling,
        "better": report.better(metric),
        "note": report.notes().get(metric, ""),
        "members": [{name: row[name] for name in MEMBER_COLUMNS} for row in rows],
    }


def _text(report: Report, facts: dict[str, Any], details: dict[str, Any], scores: list[dict[str, Any]]) -> str:
    members = [str(row["member"]) for row in scores[0]["members"]]
    head = ["score", "mean ± 95 %", *(f"member {member}" for member in members), "real images", "noise", "better"]
    rows = [[*_cells(report, score)] for score in scores]
    notes = [f"{score['metric']}: {score['note']}" for score in scores if score["note"]]
    worse = [score["metric"] for score in scores if _is_worse_than_noise(score)]
    notes += [f"worse than noise by: {', '.join(worse)}"] if worse else []
    return "\n".join(
        [
            f"{facts['recipe']} {facts['optimizer']}, report {facts['report_id']}",
            "",
            *aligned([head, *rows]),
            *notes,
            "",
            *aligned([[name, _fact(value)] for name, value in facts.items() if value is not None]),
            *(line for name in JSON_FACTS for line in _section(name, details[name])),
        ]
    )


def _is_worse_than_noise(score: dict[str, Any]) -> bool:
    mean, noise = score["mean"], score["noise"]
    if noise is None or math.isnan(mean):
        return False
    return bool(mean > noise if score["better"] == "lower" else score["better"] == "higher" and mean < noise)


def _cells(report: Report, score: dict[str, Any]) -> list[str]:
    values = [*(member["value"] for member in score["members"]), score["real_images"], score["noise"]]
    better = "" if score["better"] == "neither" else score["better"]
    return [score["metric"], score_text(report, score["metric"]), *map(number, values), better]


def _fact(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _section(name: str, values: dict[str, Any]) -> list[str]:
    if not values:
        return []
    return [
        "",
        name,
        *aligned([[f"  {key}", "-" if value is None else str(value)] for key, value in flat(values).items()]),
    ]
