"""Collapsed scores: two evaluations in a row whose FID is 30 % above the best one so far.

The rule needs no losses. Measured elsewhere on 63 public training logs it caught 17 of 19 collapsed runs and flagged 1
of 44 healthy ones, better than the signs in the losses. One bad evaluation is not enough: single ones occur in healthy
trainings. In the first few hundred steps FID may rise above that of an untrained generator, on MNIST by at most 18 %
(docs/log.md), so every evaluation counts.

A warning. An error if all members with enough evaluations are still that far above their best at the end: then the
weights that were kept are the collapsed ones.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, ReportInputs
from pipeline.checks.member_curves import ScoreCurve, score_curves
from pipeline.checks.member_scores import name_members
from pipeline.findings import Severity
from pipeline.settings import TrainingSettings

METRIC = "fid"
FACTOR = 1.3  # of the best so far
IN_A_ROW = 2
LEAST_EVALUATIONS = IN_A_ROW + 1
DIVISOR_OF_RATES = 2


class Course(TypedDict):
    """One member's best FID, and its first collapse after it: None if there was none."""

    member: int
    best: float
    best_at_step: int
    collapsed_at_step: int | None
    times_best: float | None
    at_the_end: bool  # the last evaluations are that far above the best


def examine(inputs: ReportInputs) -> Outcome:
    """Return a failure if a member's FID rose far above its best and stayed there."""
    if inputs.scores_by_step is None:
        raise NotJudgedError("no scores along training")
    curves = [curve for curve in score_curves(inputs.scores_by_step, METRIC) if len(curve.steps) >= LEAST_EVALUATIONS]
    if not curves:
        raise NotJudgedError(f"no member has {LEAST_EVALUATIONS} evaluations with a {METRIC}")
    courses = [_course(curve) for curve in curves]
    evidence = {"limits": {"factor": FACTOR, "in_a_row": IN_A_ROW}, "members": courses}
    collapsed = [course for course in courses if course["collapsed_at_step"] is not None]
    if not collapsed:
        return Outcome(f"no member's FID stayed {FACTOR - 1:.0%} above its best for {IN_A_ROW} evaluations", evidence)
    worst = max(collapsed, key=lambda course: course["times_best"] or 0)
    summary = (
        f"FID rose {FACTOR - 1:.0%} above its best twice in a row in "
        f"{name_members([course['member'] for course in collapsed], len(courses))}: "
        f"member {worst['member']} had {worst['best']:.4g} at step {worst['best_at_step']:,} and "
        f"{worst['times_best']:.2g} times as much at step {worst['collapsed_at_step']:,}"
    )
    severity: Severity | None = None if all(course["at_the_end"] for course in courses) else "warn"
    return Outcome(summary, evidence, _advise(collapsed, inputs.settings), severity)


def _course(curve: ScoreCurve) -> Course:
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], curve.values[:-1]]))
    above = curve.values > FACTOR * best_before
    second_in_a_row = np.flatnonzero(above[:-1] & above[1:]) + 1
    collapse = int(second_in_a_row[0]) if len(second_in_a_row) else None
    best = int(np.argmin(curve.values[: len(curve.values) if collapse is None else collapse]))
    return {
        "member": curve.member,
        "best": float(curve.values[best]),
        "best_at_step": int(curve.steps[best]),
        "collapsed_at_step": None if collapse is None else int(curve.steps[collapse]),
        "times_best": None if collapse is None else float(curve.values[collapse] / curve.values[best]),
        "at_the_end": bool(above[-IN_A_ROW:].all()),
    }


def _advise(collapsed: list[Course], settings: TrainingSettings | None) -> str:
    best_steps = sorted(course["best_at_step"] for course in collapsed)
    sooner = f"set steps = {best_steps[len(best_steps) // 2]}, where FID was best"
    changes = [sooner, advice.slower_both(settings, DIVISOR_OF_RATES), advice.averaged(settings)]
    return advice.either([*changes, advice.penalised(settings)])


CHECK = Check("collapsed_scores", "report", "error", "FID does not stay 30 % above the best it had reached.", examine)
