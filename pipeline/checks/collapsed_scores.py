"""Collapsed scores: two evaluations in a row whose FID is 30 % above the best one so far.

The rule needs no losses. Measured elsewhere on 63 public training logs it caught 17 of 19 collapsed runs and flagged 1
of 44 healthy ones, better than the signs in the losses. One bad evaluation is not enough: single ones occur in healthy
trainings. In the first few hundred steps FID may rise above that of an untrained generator, on MNIST by at most 18 %
(docs/log.md), so that every evaluation counts.

A warning; an error where every member that was judged is still that far above its best at the end: then the weights
that were kept are the collapsed ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.checks import advice
from pipeline.checks.curves import ScoreCurve, named, score_curves
from pipeline.checks.facts import Check, ReportFacts
from pipeline.findings import Finding, Severity, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "collapsed_scores"
METRIC = "fid"
FACTOR = 1.3  # of the best so far
IN_A_ROW = 2
LEAST_EVALUATIONS = IN_A_ROW + 1
DIVISOR_OF_RATES = 2


def judge(facts: ReportFacts) -> Finding:
    """Whether the scores hold what they had reached."""
    if facts.scores_by_step is None:
        return not_judged(NAME, "error", "no scores along training")
    curves = [each for each in score_curves(facts.scores_by_step, METRIC) if len(each.steps) >= LEAST_EVALUATIONS]
    if not curves:
        return not_judged(NAME, "error", f"no member has {LEAST_EVALUATIONS} evaluations with a {METRIC}")
    seen = [_collapse(curve) for curve in curves]
    evidence = {"limits": {"factor": FACTOR, "in_a_row": IN_A_ROW}, "members": seen}
    collapsed = [each for each in seen if each["collapsed_at_step"] is not None]
    if not collapsed:
        summary = f"no member's FID stayed {FACTOR - 1:.0%} above its best for {IN_A_ROW} evaluations"
        return passing(NAME, "error", summary, evidence)
    worst = max(collapsed, key=lambda each: float(each["times_best"]))
    summary = (
        f"FID rose {FACTOR - 1:.0%} above its best twice in a row in {named(_members(collapsed), len(seen))}: "
        f"member {worst['member']} had {worst['best']:.4g} at step {worst['best_at_step']:,} and "
        f"{worst['times_best']:.2g} times as much at step {worst['collapsed_at_step']:,}"
    )
    severity: Severity = "error" if all(each["at_the_end"] for each in seen) else "warn"
    return failing(NAME, severity, summary, evidence, _advice(collapsed, facts.settings))


def _collapse(curve: ScoreCurve) -> dict[str, Any]:
    """The first collapse of a member, the best FID before it, and whether the end is as bad."""
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], curve.values[:-1]]))
    above = curve.values > FACTOR * best_before
    in_a_row = np.flatnonzero(above[:-1] & above[1:]) + 1
    at = int(in_a_row[0]) if len(in_a_row) else None
    best = int(np.argmin(curve.values[: len(curve.values) if at is None else at]))
    return {
        "member": curve.member,
        "best": float(curve.values[best]),
        "best_at_step": int(curve.steps[best]),
        "collapsed_at_step": None if at is None else int(curve.steps[at]),
        "times_best": None if at is None else float(curve.values[at] / curve.values[best]),
        "at_the_end": bool(above[-IN_A_ROW:].all()),
    }


def _members(seen: list[dict[str, Any]]) -> list[int]:
    return [each["member"] for each in seen]


def _advice(collapsed: list[dict[str, Any]], settings: TrainingSettings | None) -> str:
    best_at = sorted(each["best_at_step"] for each in collapsed)
    sooner = f"set steps = {best_at[len(best_at) // 2]}, where FID was best"
    changes = [sooner, advice.slower_both(settings, DIVISOR_OF_RATES), advice.averaged(settings)]
    return advice.either([*changes, advice.penalised(settings)])


CHECK = Check(NAME, "report", "error", "FID does not stay 30 % above the best it had reached.", judge)
