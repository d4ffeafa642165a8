"""Metric regression: this report's FID is worse than that of the training before.

In: the newest report and the previous one of the same recipe and configuration, of another training and of the same
protocol.

The verdict is that of the plain t test (`comparison/verdicts.py`): paired by member if the seeds are equal, else
Welch's, at 5 %. Only FID decides; verdicts on the other metrics are evidence. With several metrics, one
in twenty would fall behind by chance. A retraining by schedule has another seed, so the test uses the spread of the
members. The summary names settings that differ, such as steps and width: they may be the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, ReportInputs
from pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    from pipeline.comparison.verdicts import Verdict
    from pipeline.reports.report import Report

DECIDES = "fid"
MOST_NAMED = 4  # differing settings in a summary
NEWEST, PREVIOUS = "newest", "previous"
WORDS = {"worse": "worse than", "better": "better than", "undecided": "not significantly different from"}

Differences = dict[str, list[Any]]  # by setting: the value before, the value now


def examine(inputs: ReportInputs) -> Outcome:
    """Return a failure if the newest report is significantly worse than the previous one."""
    from pipeline.comparison.differences import differing_settings

    newest, previous = _comparable_reports(inputs)
    verdicts = _verdicts(newest, previous)
    if DECIDES not in verdicts:
        raise NotJudgedError(f"a report has no {DECIDES}")
    differences = {name: values[::-1] for name, values in differing_settings([newest, previous]).items()}
    evidence = {
        "previous_report": previous.report_id,
        "previous_then_newest": differences,
        "verdicts": {metric: _plain(verdict) for metric, verdict in verdicts.items()},
    }
    decisive = verdicts[DECIDES]
    summary = f"{_describe(decisive)}; {_describe_differences(differences)}"
    worse = decisive.verdict == "worse"
    return Outcome(summary, evidence, _advise(differences, inputs.settings) if worse else None)


def _comparable_reports(inputs: ReportInputs) -> tuple[Report, Report]:
    """Return the newest and the previous report; raise `NotJudgedError` if they cannot be compared."""
    from pipeline.comparison.protocol import protocol_difference

    newest, previous = inputs.report, inputs.previous
    if newest is None:
        raise NotJudgedError("no report")
    if previous is None:
        raise NotJudgedError("no earlier report of another training")
    if newest.training_fingerprint == previous.training_fingerprint:
        raise NotJudgedError("both reports are of the same training")
    difference = protocol_difference(previous, newest)
    if difference:
        raise NotJudgedError(f"the scores were measured differently: {difference}; score both the same way")
    return newest, previous


def _verdicts(newest: Report, previous: Report) -> dict[str, Verdict]:
    from pipeline.comparison.ranking_verdicts import compare_replicates
    from pipeline.comparison.replicates import alone
    from pipeline.comparison.rules import Choices

    evidence, choices = [alone(newest), alone(previous)], Choices(test="plain")
    common = [metric for metric in newest.metrics() if metric in previous.metrics()]
    found = [compare_replicates(evidence, metric, names=[NEWEST, PREVIOUS], choices=choices) for metric in common]
    return {verdict.metric: verdict for verdicts in found for verdict in verdicts}


def _plain(verdict: Verdict) -> dict[str, Any]:
    names = ("difference", "low", "high", "p", "verdict", "paired", "members", "note")
    return {name: getattr(verdict, name) for name in names}


def _describe(verdict: Verdict) -> str:
    if verdict.difference is None:
        return f"FID cannot be compared with the training before: {verdict.note or 'no member has a score in both'}"
    interval = "" if verdict.low is None else f" (95 % interval {verdict.low:+.3g} to {verdict.high:+.3g})"
    pairs = "pairs of members" if verdict.paired else "members at least on either side"
    return (
        f"FID is {WORDS[verdict.verdict]} that of the training before: {verdict.difference:+.3g}{interval}, "
        f"{verdict.members} {pairs}"
    )


def _describe_differences(differences: Differences) -> str:
    if not differences:
        return "the settings are the same"
    named = [f"{name} {before} then {now}" for name, (before, now) in [*differences.items()][:MOST_NAMED]]
    more = len(differences) - len(named)
    return f"settings that differ: {', '.join(named)}{f' and {more} more' if more else ''}"


def _advise(differences: Differences, settings: TrainingSettings | None) -> str:
    changed = {name: values for name, values in differences.items() if name != "seed"}
    back = [f"set {name} back from {now} to {before}" for name, (before, now) in [*changed.items()][:MOST_NAMED]]
    if back:
        return advice.either(back)
    members = "more members" if settings is None else f"members = {settings.members + 2}"
    cause = "only the seed differs" if "seed" in differences else "no setting differs"
    return (
        f"{cause}: look at what changed in the data and in the code (data_versions and git_commit of both reports), or "
        f"train with {members} to see whether the difference stays"
    )


CHECK = Check(
    "metric_regression", "report", "warn", "FID is not significantly worse than that of the training before.", examine
)
