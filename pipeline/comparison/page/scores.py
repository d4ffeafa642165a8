"""Scores: the ranking, the members' scores and the verdicts, as tables and as rows for the chart.

In: a `Ranking`. Out: plain values for the template and for JSON.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipeline.comparison.page.entries import PageEntry
from pipeline.comparison.ranking import Estimate, Ranking, verdicts_on
from pipeline.comparison.verdicts import BETTER, UNDECIDED, WORSE, Verdict, member_scores
from pipeline.evidence import number
from pipeline.metrics.catalogue import definition

SHOWN = ("fid", "kid", "inception_score", "precision", "recall", "missing_classes")  # columns of the ranking
MOST_PAIRS = 66  # of 12 configurations; of more, the best one's alone
ARROWS = {"lower": "lower is better", "higher": "higher is better", "neither": "neither is better"}


def metrics_of(entries: Sequence[PageEntry]) -> list[str]:
    """Every score in the reports, in their order."""
    return list(dict.fromkeys(metric for entry in entries for metric in entry.configuration.report.metrics()))


def ranking_table(entries: Sequence[PageEntry], ranked_by: str) -> dict[str, Any]:
    """Columns and rows of the ranking by a metric, and the rows of real images and noise."""
    columns = [metric for metric in metrics_of(entries) if metric in SHOWN]
    rows = []
    for entry, rank in zip(entries, _ranks(entries, ranked_by), strict=True):
        report = entry.configuration.report
        facts = report.facts(("steps", "members", "diverged_members", "width"))
        scores = [_shown(entry.configuration.scores.get(metric)) for metric in columns]
        rows.append({"rank": rank, "key": entry.key, "scores": scores, "weights": report.weights, **facts})
    anchors = [
        {"name": name, "scores": [_number(_anchor(entries, metric, place)) for metric in columns]}
        for place, name in enumerate(("real images", "noise"))
    ]
    headings = [{"title": definition(m).title, "better": ARROWS[_better(entries, m)]} for m in columns]
    return {"headings": headings, "rows": rows, "anchors": anchors}


def _ranks(entries: Sequence[PageEntry], ranked_by: str) -> list[str]:
    """The places in the ranking; those whose means are equal or missing share the first of theirs: "1=", "1=", "3"."""
    configurations = [entry.configuration for entry in entries]
    means = [each.scores[ranked_by].mean if each.scored_by(ranked_by) else None for each in configurations]
    return [
        f"{configurations[means.index(mean)].rank}=" if means.count(mean) > 1 else f"{each.rank}"
        for each, mean in zip(configurations, means, strict=True)
    ]


def chart_data(entries: Sequence[PageEntry]) -> dict[str, dict[str, Any]]:
    """By metric: title, definition, direction, anchors, and a row a configuration with its members' scores."""
    return {metric: _of_metric(entries, metric) for metric in metrics_of(entries)}


def _of_metric(entries: Sequence[PageEntry], metric: str) -> dict[str, Any]:
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
    found = entry.configuration.scores[metric]
    by_member = member_scores(entry.configuration.report, metric).sound()
    return {
        "configuration": entry.key,
        "shown": _shown(found),
        "mean": finite(found.mean),
        "low": finite(found.mean - found.half_width),
        "high": finite(found.mean + found.half_width),
        "members": [{"member": member, "value": finite(value)} for member, value in by_member.items()],
    }


def verdict_rows(ranking: Ranking, metrics: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By metric: a row a pair. A metric of which neither direction is better has none."""
    if len(ranking.configurations) < 2:
        return {}
    best = ranking.configurations[0].optimizer
    found = {
        metric: [
            _verdict_row(each)
            for each in verdicts_on(ranking, metric)
            if each.first == best or not only_with_best(ranking)
        ]
        for metric in metrics
    }
    return {metric: rows for metric, rows in found.items() if rows}


def only_with_best(ranking: Ranking) -> bool:
    """Whether there are too many pairs for all of them to stand on the page."""
    count = len(ranking.configurations)
    return count * (count - 1) // 2 > MOST_PAIRS


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
        "members": verdict.members,
    }


def headline(ranking: Ranking) -> str:
    """Who is best by what they are ranked by and whether that is decided, in a sentence or two."""
    if not ranking.configurations:
        return "No configuration has a report yet, so there is nothing to compare."
    best, metric = ranking.configurations[0], ranking.ranked_by
    if not best.scored_by(metric):
        return "Every configuration diverged: none has a score."
    extreme = "lowest" if best.report.better(metric) == "lower" else "highest"
    said = f"{best.optimizer} has the {extreme} {definition(metric).title}: {best.scores[metric]}."
    if len(ranking.configurations) == 1:
        return f"{said} It is the only configuration with a comparable report, so nothing is decided."
    against = [verdict for verdict in verdicts_on(ranking) if verdict.first == best.optimizer]
    return f"{said} {_decided(against)}"


def _decided(against: Sequence[Verdict]) -> str:
    """The verdicts on the best mean. It may lose in pairs: a mean has members that have no partner in a pair."""
    won = [verdict.second for verdict in against if verdict.verdict == BETTER]
    lost = [verdict.second for verdict in against if verdict.verdict == WORSE]
    open_to = [_open(verdict) for verdict in against if verdict.verdict == UNDECIDED]
    said = []
    if won and open_to:
        said.append(f"That is decided against {_joined(won)}, but not against {_joined(open_to)}.")
    elif won:
        said.append(f"That is decided against {_joined(won)}, at a level of 5 % for all pairs together.")
    elif open_to:
        said.append(f"That is not decided against {_joined(open_to)}.")
    if lost:
        said.append(f"Member by member {_joined(lost)} {'is' if len(lost) == 1 else 'are'} better.")
    return " ".join(said)


def _open(verdict: Verdict) -> str:
    needed = str(verdict).removeprefix(f"{UNDECIDED}: ").removeprefix(f"{UNDECIDED}; ")
    return verdict.second if needed == UNDECIDED else f"{verdict.second} ({needed})"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def finite(value: float | None) -> float | None:
    """A number that JSON can hold, to six digits: None for NaN and infinity."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _better(entries: Sequence[PageEntry], metric: str) -> str:
    reports = [entry.configuration.report for entry in entries if metric in entry.configuration.report.metrics()]
    better = reports[0].better(metric) if reports else "neither"
    return better if better in ARROWS else "neither"


def _anchor(entries: Sequence[PageEntry], metric: str, place: int) -> float | None:
    reports = [entry.configuration.report for entry in entries if metric in entry.configuration.report.metrics()]
    return reports[0].anchors(metric)[place] if reports else None


def _shown(found: Estimate | None) -> str:
    if found is None:
        return "–"
    return "none" if math.isnan(found.mean) else str(found)


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value)
