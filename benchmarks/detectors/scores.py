"""Scores: made-up FIDs along training, with the generator's loss beside them.

A member's FID falls towards a level by a power law, as FIDs of real trainings do, times a wobble. A made-up fault is
a factor on that fall, and 1 without a fault. The generator's loss is a level with an independent trend, because in
healthy trainings it may rise or fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from benchmarks.detectors.kinds import Kind, Random, log_uniform, wander
from pipeline.checks.inputs import ReportInputs
from pipeline.checks.member_curves import Values

MEMBERS = 3
EVALUATION_STEPS = 500
FEWEST, MOST = 4, 24  # evaluations; this project keeps 4 to 9 per training
INTERVALS_AN_EVALUATION = 5
COLLAPSED, MISLEADS = "collapsed_scores", "generator_loss_misleads"


@dataclass(frozen=True)
class Course:
    """One member's training: FID relative to an undisturbed one, and the generator's loss relative to its level."""

    factor: Values  # (E,)
    loss: Values  # (E,)
    wobble: float = 0.03  # standard deviation of the logarithm of FID
    level: float | None = None  # FID that an undisturbed training tends to; None: any


Make = Callable[[Random, int], Course]  # (random, E)


def _time(count: int) -> Values:
    return np.arange(1, count + 1) / count


def _any_trend(random: Random, count: int) -> Values:
    """Draw a loss, (count,), that ends between half and twice its start."""
    return np.exp(_time(count) * random.uniform(np.log(0.5), np.log(2)))


def _since(count: int, start: float) -> Values:
    """Return a ramp: 0 before a share of the run, then rising to 1 at its end."""
    return np.clip((_time(count) - start) / (1 - start), 0, 1)


# ---------------------------------------------------------------------------------------------------------------------
# Healthy


def improving(random: Random, count: int) -> Course:
    """FID falls with a wobble of 1 to 6 %; the generator's loss may rise or fall."""
    return Course(np.ones(count), _any_trend(random, count), random.uniform(0.01, 0.06))


def improving_with_falling_loss(random: Random, count: int) -> Course:
    """FID and the generator's loss fall together."""
    return Course(np.ones(count), 1 - random.uniform(0.1, 0.6) * _time(count), random.uniform(0.01, 0.06))


def settled_with_falling_loss(random: Random, count: int) -> Course:
    """FID has settled within 10 % of its best, and the generator's loss continues to fall."""
    drift = 1 + random.uniform(0, 0.1) * _since(count, random.uniform(0.3, 0.6))
    return Course(drift, 1 - random.uniform(0.1, 0.6) * _time(count), random.uniform(0.01, 0.05))


def worse_before_better(random: Random, count: int) -> Course:
    """The first evaluations are worse than an untrained generator's, by up to 25 %."""
    hump = 1 + random.uniform(0.03, 0.25) * np.exp(-(((np.arange(count) - 1.5) / 1.2) ** 2))
    return Course(hump, _any_trend(random, count), random.uniform(0.01, 0.04))


def slightly_worse_at_the_end(random: Random, count: int) -> Course:
    """FID rises by 5 to 25 % after its best; the loss does not fall."""
    late = 1 + random.uniform(0.05, 0.25) * _since(count, random.uniform(0.4, 0.8))
    return Course(late, 1 + random.uniform(0, 0.5) * _time(count), random.uniform(0.01, 0.04))


def wobbling(random: Random, count: int) -> Course:
    """FID wobbles by 6 to 12 %, as with few images."""
    return Course(np.ones(count), _any_trend(random, count), random.uniform(0.06, 0.12))


def near_the_floor(random: Random, count: int) -> Course:
    """A good generator, whose small FID wobbles by 4 to 12 %."""
    return Course(np.ones(count), _any_trend(random, count), random.uniform(0.04, 0.12), random.uniform(3, 8))


def one_bad_evaluation(random: Random, count: int) -> Course:
    """One or two evaluations, apart from each other, are up to three times as bad."""
    factor = np.ones(count)
    if count < 9:
        factor[random.integers(1, count)] *= random.uniform(1.3, 3)
    else:
        factor[random.integers(count // 2 + 1, count)] *= random.uniform(1.3, 3)
        factor[random.integers(1, count // 2)] *= random.uniform(1.0, 2)
    return Course(factor, _any_trend(random, count), random.uniform(0.01, 0.06))


def passing_setback(random: Random, count: int) -> Course:
    """FID is up to 40 % worse for two to four evaluations, and recovers."""
    factor, start = np.ones(count), int(random.integers(1, max(2, count - 4)))
    factor[start : start + random.integers(2, 5)] *= random.uniform(1.05, 1.4)
    return Course(factor, _any_trend(random, count), random.uniform(0.01, 0.05))


# ---------------------------------------------------------------------------------------------------------------------
# Sick


def sudden_collapse(random: Random, count: int) -> Course:
    """From one evaluation to the next FID is 1.4 to 8 times as bad, for good."""
    factor = np.where(_time(count) > random.uniform(0.3, 0.9), log_uniform(random, 1.4, 8), 1.0)
    return Course(factor, _any_trend(random, count), random.uniform(0.01, 0.1))


def slow_decay(random: Random, count: int) -> Course:
    """After its best FID rises, to 1.2 to 4 times that at the end."""
    worse = log_uniform(random, 1.2, 4) ** _since(count, random.uniform(0.3, 0.7))
    return Course(worse, _any_trend(random, count), random.uniform(0.01, 0.06))


def collapse_and_partial_recovery(random: Random, count: int) -> Course:
    """Collapsed for some evaluations, then 1.1 to 2 times as bad as before."""
    start = int(random.integers(1, max(2, count - 3)))
    until = start + int(random.integers(2, 6))
    factor = np.ones(count)
    factor[start:until] *= random.uniform(1.8, 6)
    factor[until:] *= random.uniform(1.1, 2)
    return Course(factor, _any_trend(random, count), random.uniform(0.01, 0.06))


def flickering(random: Random, count: int) -> Course:
    """Good and collapsed evaluations take turns by chance from some time on."""
    bad = (random.random(count) < random.uniform(0.3, 0.7)) & (_time(count) > random.uniform(0.2, 0.6))
    return Course(np.where(bad, random.uniform(1.4, 4), 1.0), _any_trend(random, count), random.uniform(0.01, 0.06))


def collapse_at_the_end(random: Random, count: int) -> Course:
    """The last one to three evaluations are collapsed."""
    factor = np.ones(count)
    factor[-int(random.integers(1, 4)) :] *= log_uniform(random, 1.4, 6)
    return Course(factor, _any_trend(random, count), random.uniform(0.01, 0.06))


def fooled(random: Random, count: int) -> Course:
    """From some time on the loss falls by 20 to 80 %, and FID rises to 1.2 to 4 times its best."""
    since = _since(count, random.uniform(0.2, 0.7))
    worse = log_uniform(random, 1.2, 4) ** since
    return Course(worse, 1 - random.uniform(0.2, 0.8) * since, random.uniform(0.01, 0.06))


def slightly_fooled(random: Random, count: int) -> Course:
    """The loss falls by 5 to 25 %, and FID rises by 10 to 40 %."""
    since = _since(count, random.uniform(0.2, 0.7))
    return Course(
        1 + random.uniform(0.1, 0.4) * since, 1 - random.uniform(0.05, 0.25) * since, random.uniform(0.01, 0.04)
    )


def fooled_with_wobble(random: Random, count: int) -> Course:
    """Curves like `fooled`, with FIDs that wobble by 6 to 12 %."""
    course = fooled(random, count)
    return Course(course.factor, course.loss, random.uniform(0.06, 0.12))


# ---------------------------------------------------------------------------------------------------------------------
# From courses to facts


def _fids(random: Random, course: Course) -> Values:
    count = len(course.factor)
    level = course.level or log_uniform(random, 5, 600)
    start = level * random.uniform(1, 10)
    fall = (1 + _time(count) / random.uniform(0.01, 0.3)) ** -random.uniform(0.7, 2)
    undisturbed = level + (start - level) * fall
    noise = wander(random, count, course.wobble, random.uniform(0, 0.6))
    fids: Values = undisturbed * course.factor * np.exp(noise)
    return fids


def _losses(random: Random, course: Course) -> Values:
    """Return the generator's losses between the evaluations, (E · INTERVALS_AN_EVALUATION,)."""
    count = len(course.loss) * INTERVALS_AN_EVALUATION
    trend = np.interp(_time(count), _time(len(course.loss)), course.loss)
    noise = wander(random, count, random.uniform(0.01, 0.06), random.uniform(0, 0.8))
    losses: Values = random.uniform(0.8, 4) * trend * np.exp(noise)
    return losses


def _facts(random: Random, courses: list[Course]) -> ReportInputs:
    scores, histories = [], []
    for member, course in enumerate(courses):
        fids, losses = _fids(random, course), _losses(random, course)
        steps = EVALUATION_STEPS * np.arange(1, len(fids) + 1)
        scores.append(pa.table({"step": steps, "member": [member] * len(fids), "value": fids}))
        histories.append(_history(member, losses))
    along = pa.concat_tables(scores)
    along = along.append_column("metric", pa.array(["fid"] * len(along)))
    return ReportInputs(None, scores_by_step=along, history=pa.concat_tables(histories))


def _history(member: int, losses: Values) -> pa.Table:
    zeros = np.zeros(len(losses))
    return pa.table(
        {
            "step": EVALUATION_STEPS // INTERVALS_AN_EVALUATION * np.arange(1, len(losses) + 1),
            "member": [member] * len(losses),
            "discriminator_loss_real": zeros,
            "discriminator_loss_generated": zeros,
            "generator_loss": losses,
            "discriminator_accuracy": zeros,
            "diverged": zeros.astype(bool),
        }
    )


def _kind(make: Make, sick_for: str | None) -> Kind:
    def curve(random: Random) -> ReportInputs:
        count = int(log_uniform(random, FEWEST, MOST + 1))
        sick_members = int(random.integers(1, MEMBERS + 1)) if sick_for else MEMBERS
        return _facts(
            random, [(make if member < sick_members else improving)(random, count) for member in range(MEMBERS)]
        )

    judged_by = (sick_for,) if sick_for else (COLLAPSED, MISLEADS)
    return Kind(make.__name__, (make.__doc__ or "").strip(), judged_by, sick_for, curve)


HEALTHY = (
    *(improving, improving_with_falling_loss, settled_with_falling_loss, worse_before_better),
    *(slightly_worse_at_the_end, wobbling, near_the_floor, one_bad_evaluation, passing_setback),
)
COLLAPSES = (sudden_collapse, slow_decay, collapse_and_partial_recovery, flickering, collapse_at_the_end)
SCORES: tuple[Kind, ...] = (
    *(_kind(make, None) for make in HEALTHY),
    *(_kind(make, COLLAPSED) for make in COLLAPSES),
    *(_kind(make, MISLEADS) for make in (fooled, slightly_fooled, fooled_with_wobble)),
)
