"""Scores: the ranking, the members' scores and the verdicts as tables, and as rows for the chart.

In: a `Ranking`. Out: plain values for the template and for JSON.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipeline.comparison.page.entries import PageEntry
from pipeline.comparison.ranking import Estimate, Ranking
from pipeline.comparison.ranking_verdicts import verdicts_on_best
from pipeline.comparison.verdicts import BETTER, TIED, UNDECIDED, WORSE, Verdict
from pipeline.evidence import number
from pipeline.metrics.catalogue import definition

SHOWN = ("fid", "kid", "inception_score", "precision", "recall", "missing_classes")  # columns of the ranking
ARROWS = {"lower": "lower is better", "higher": "higher is better", "neither": "neither is better"}


def metrics_of(entries: Sequence[PageEntry]) -> list[str]:
    """Return the names of all scores in the reports, in order."""
    return list(dict.fromkeys(metric for entry in entries for metric in entry.configuration.report.metrics()))


def ranking_table(entries: Sequence[PageEntry], ranked_by: str) -> dict[str, Any]:
    """Return columns and rows of the ranking by a metric, and the rows of real images and noise."""
    columns = [metric for metric in metrics_of(entries) if metric in SHOWN]
    rows = []
    for entry, rank in zip(entries, _ranks(entries, ranked_by), strict=True):
        report = entry.configuration.report
        facts = entry.configuration.facts(("steps", "members", "diverged_members", "width"))
        scores = [_shown(entry.configuration.scores.get(metric)) for metric in columns]
        rows.append({"rank": rank, "key": entry.key, "scores": scores, "weights": report.weights, **facts})
    anchors = [
        {"name": name, "scores": [_number(_anchor(entries, metric, index)) for metric in columns]}
        for index, name in enumerate(("real images", "noise"))
    ]
    headings = [{"title": definition(m).title, "better": ARROWS[_better(entries, m)]} for m in columns]
    return {"headings": headings, "rows": rows, "anchors": anchors}


def _ranks(entries: Sequence[PageEntry], ranked_by: str) -> list[str]:
    """Return the ranks as text. Configurations with equal or missing means share the first rank: "1=", "1=", "3"."""
    ranked = [entry.configuration for entry in entries]
    means = [
        configuration.scores[ranked_by].mean if configuration.scored_by(ranked_by) else None for configuration in ranked
    ]
    return [
        f"{ranked[means.index(mean)].rank}=" if means.count(mean) > 1 else f"{configuration.rank}"
        for configuration, mean in zip(ranked, means, strict=True)
    ]


def chart_data(entries: Sequence[PageEntry]) -> dict[str, dict[str, Any]]:
    """Return by metric: title, definition, direction, anchors, and one row per configuration with members' scores."""
    return {metric: _metric_data(entries, metric) for metric in metrics_of(entries)}


def _metric_data(entries: Sequence[PageEntry], metric: str) -> dict[str, Any]:
    having = [entry for entry in entries if metric in entry.configuration.scores]
    notes = [entry.configuration.report.notes().get(metric, "") for entry in having]
    return {
        "title": definition(metric).title,
        "text": definition(metric).definition,
        "better": ARROWS[_better(having, metric)],
        "note": next((note for note in notes if note), ""),
        "floor": finite(_anchor(having, metric, 0)),
        "ceiling": finite(_anchor(having, metric, 1)),
        "rows": [_row(entry, metric) for entry in having],
    }


def _row(entry: PageEntry, metric: str) -> dict[str, Any]:
    score = entry.configuration.scores[metric]
    replicates = entry.configuration.replicates
    has_several_seeds = len({seed for seed, _ in replicates.members}) > 1
    by_member = {
        f"{index} of seed {seed}" if has_several_seeds else index: value
        for (seed, index), value in sorted(replicates.scores(metric).sound().items())
    }
    return {
        "configuration": entry.key,
        "shown": _shown(score),
        "mean": finite(score.mean),
        "low": finite(score.mean - score.half_width),
        "high": finite(score.mean + score.half_width),
        "members": [{"member": member, "value": finite(value)} for member, value in by_member.items()],
    }


def verdict_rows(ranking: Ranking, metrics: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return by metric the best configuration's row against each other one; a metric without a better end has none."""
    by_metric = {metric: [_verdict_row(verdict) for verdict in verdicts_on_best(ranking, metric)] for metric in metrics}
    return {metric: rows for metric, rows in by_metric.items() if rows}


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    interval = "" if verdict.low is None or verdict.high is None else f"{number(verdict.low)} to {number(verdict.high)}"
    return {
        "first": verdict.first,
        "second": verdict.second,
        "verdict": str(verdict),
        "decided": verdict.verdict != UNDECIDED,
        "difference": _number(verdict.difference),
        "interval": interval or "–",
        "p": "–" if verdict.corrected_p is None else f"{verdict.corrected_p:.2g}",
        "members": f"{verdict.first_members} / {verdict.second_members}",
        "test": verdict.test,
    }


def headline(ranking: Ranking) -> str:
    """Return one or two sentences with the best configuration, and the verdicts on it."""
    if not ranking.configurations:
        return "No configuration has a report yet, so there is nothing to compare."
    best, metric = ranking.configurations[0], ranking.ranked_by
    if not best.scored_by(metric):
        return "Every configuration diverged: none has a score."
    extreme = "lowest" if best.report.better(metric) == "lower" else "highest"
    first = f"{best.optimizer} has the {extreme} {definition(metric).title}: {best.scores[metric]}."
    if len(ranking.configurations) == 1:
        return f"{first} It is the only configuration with a comparable report, so nothing is decided."
    return f"{first} {_decided(verdicts_on_best(ranking))}"


def _decided(against: Sequence[Verdict]) -> str:
    """Return sentences with the verdicts on the configuration of the best mean."""
    # It may lose: the means in the ranking include collapsed members, and the test compares logarithms.
    won = [verdict.second for verdict in against if verdict.verdict == BETTER]
    lost = [verdict.second for verdict in against if verdict.verdict == WORSE]
    open_to = [_open(verdict) for verdict in against if verdict.verdict == UNDECIDED]
    sentences = []
    if won and open_to:
        sentences.append(f"That is decided against {_joined(won)}, but not against {_joined(open_to)}.")
    elif won:
        sentences.append(f"That is decided against {_joined(won)}, at a level of 5 % for all of them together.")
    elif open_to:
        sentences.append(f"That is not decided against {_joined(open_to)}.")
    tied = [verdict.second for verdict in against if verdict.verdict == TIED]
    if tied:
        sentences.append(f"It is tied with {_joined(tied)}.")
    if lost:
        sentences.append(f"By the test {_joined(lost)} {'is' if len(lost) == 1 else 'are'} better.")
    return " ".join(sentences)


def _open(verdict: Verdict) -> str:
    needed = str(verdict).removeprefix(f"{UNDECIDED}: ").removeprefix(f"{UNDECIDED}; ")
    return verdict.second if needed == UNDECIDED else f"{verdict.second} ({needed})"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def finite(value: float | None) -> float | None:
    """Return a number with six digits for JSON; None for NaN and infinity."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _better(entries: Sequence[PageEntry], metric: str) -> str:
    reports = [entry.configuration.report for entry in entries if metric in entry.configuration.report.metrics()]
    better = reports[0].better(metric) if reports else "neither"
    return better if better in ARROWS else "neither"


def _anchor(entries: Sequence[PageEntry], metric: str, index: int) -> float | None:
    reports = [entry.configuration.report for entry in entries if metric in entry.configuration.report.metrics()]
    return reports[0].anchors(metric)[index] if reports else None


def _shown(score: Estimate | None) -> str:
    if score is None:
        return "–"
    return "none" if math.isnan(score.mean) else str(score)


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value)
