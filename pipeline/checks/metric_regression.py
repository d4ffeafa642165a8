"""Metric regression: whether this report's FID is worse than that of the training before.

In: the newest report and the previous one of the same recipe and configuration, of another training and of the same
protocol. The verdict is that of a comparison of two (`comparison/verdicts.py`: by member where the seeds are equal,
else Welch's test; a corrected p of 5 %). Only FID decides: with several metrics one in twenty would fall behind by
chance; verdicts on the others are evidence. A retraining by schedule has another seed and is judged against the spread
of the members; settings that differ, such as steps and width, are named, since they may be the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.checks import advice
from pipeline.checks.facts import Check, ReportFacts
from pipeline.findings import Finding, failing, not_judged, passing
from pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    from pipeline.comparison.verdicts import Verdict
    from pipeline.reports.store import Report

NAME = "metric_regression"
DECIDES = "fid"
MOST_NAMED = 4  # differing settings in a summary
NEWEST, PREVIOUS = "newest", "previous"


def judge(facts: ReportFacts) -> Finding:
    """Whether the newest report is significantly worse than the previous one."""
    from pipeline.comparison.differences import differing_settings

    newest, previous = facts.report, facts.previous
    if newest is None:
        return not_judged(NAME, "warn", "no report")
    if previous is None:
        return not_judged(NAME, "warn", "no earlier report of another training")
    refused = _refused(newest, previous)
    if refused:
        return not_judged(NAME, "warn", refused)
    verdicts = _verdicts(newest, previous)
    if DECIDES not in verdicts:
        return not_judged(NAME, "warn", f"a report has no {DECIDES}")
    differing = {name: values[::-1] for name, values in differing_settings([newest, previous]).items()}
    evidence = {
        "previous_report": previous.report_id,
        "previous_then_newest": differing,
        "verdicts": {metric: _plain(verdict) for metric, verdict in verdicts.items()},
    }
    decided = verdicts[DECIDES]
    summary = f"{_told(decided)}; {_differing(differing)}"
    if decided.verdict != "worse":
        return passing(NAME, "warn", summary, evidence)
    return failing(NAME, "warn", summary, evidence, _advice(differing, facts.settings))


def _refused(newest: Report, previous: Report) -> str:
    """Why the two cannot be judged; empty where they can."""
    from pipeline.comparison.protocol import protocol_difference

    if newest.training_fingerprint == previous.training_fingerprint:
        return "both reports are of the same training"
    difference = protocol_difference(previous, newest)
    return f"scores were measured unlike: {difference}; score both the same way" if difference else ""


def _verdicts(newest: Report, previous: Report) -> dict[str, Verdict]:
    from pipeline.comparison.verdicts import judge as judged
    from pipeline.comparison.verdicts import member_scores

    found = {}
    for metric in newest.metrics():
        better = newest.better(metric)
        if metric in previous.metrics() and better in ("lower", "higher"):
            scores = [member_scores(newest, metric, NEWEST), member_scores(previous, metric, PREVIOUS)]
            found[metric] = judged(scores, metric, lower_is_better=better == "lower")[0]
    return found


def _plain(verdict: Verdict) -> dict[str, Any]:
    names = ("difference", "low", "high", "p", "verdict", "paired", "members", "note")
    return {name: getattr(verdict, name) for name in names}


def _told(verdict: Verdict) -> str:
    if verdict.difference is None:
        return f"FID cannot be compared with the training before: {verdict.note or 'no member has a score in both'}"
    interval = "" if verdict.low is None else f" (95 % interval {verdict.low:+.3g} to {verdict.high:+.3g})"
    said = {"worse": "worse than", "better": "better than", "undecided": "not decidedly other than"}[verdict.verdict]
    pairs = "pairs of members" if verdict.paired else "members at least on either side"
    return (
        f"FID is {said} that of the training before by {verdict.difference:+.3g}{interval}, {verdict.members} {pairs}"
    )


def _differing(differing: dict[str, list[Any]]) -> str:
    if not differing:
        return "the settings are the same"
    shown = [f"{name} {before} then {now}" for name, (before, now) in [*differing.items()][:MOST_NAMED]]
    more = len(differing) - len(shown)
    return f"settings that differ: {', '.join(shown)}{f' and {more} more' if more else ''}"


def _advice(differing: dict[str, list[Any]], settings: TrainingSettings | None) -> str:
    changed = {name: values for name, values in differing.items() if name != "seed"}
    back = [f"set {name} back from {now} to {before}" for name, (before, now) in [*changed.items()][:MOST_NAMED]]
    if back:
        return advice.either(back)
    members = "more members" if settings is None else f"members = {settings.members + 2}"
    cause = "another seed alone" if "seed" in differing else "nothing in the settings"
    return (
        f"{cause} explains it: look at what changed in the data and in the code (data_versions and git_commit of both "
        f"reports), or train with {members} to see whether it stays"
    )


CHECK = Check(NAME, "report", "warn", "FID is not significantly worse than that of the training before.", judge)
