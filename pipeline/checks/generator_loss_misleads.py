"""Generator loss misleads: the generator's loss falls while its images become worse.

"If the generator's loss falls steadily, it is fooling the discriminator with garbage" ("How to train a GAN", ganhacks).

The check reads a member's evaluations from its best FID to the last, at least three. Beside each it puts the
generator's training loss: the mean over the intervals since the evaluation before. It fails if both hold:

- FID rises: its rank correlation with the step is at least 0.5, and the last two are 15 % above the best.
- The loss falls: its correlation is -0.5 or less, and the last two are below the loss at the best FID. The fall must
  be 5 % of the loss's size, and twice its change from interval to interval.

A loss that falls as FID improves, or after FID has settled, is healthy.
"""

from __future__ import annotations

from itertools import combinations
from typing import TypedDict

import numpy as np

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, ReportInputs
from pipeline.checks.member_curves import LossCurve, ScoreCurve, Values, loss_curves, score_curves
from pipeline.checks.member_scores import name_members
from pipeline.settings import TrainingSettings

METRIC = "fid"
LEAST_EVALUATIONS = 3  # from the best one on
WORSE = 1.15  # times the best FID
LEAST_CORRELATION = 0.5  # Kendall's
LEAST_FALL = 0.05  # of the loss's size
LEAST_FALL_IN_CHANGES = 2.0  # of the median change from interval to interval
DIVISOR_OF_RATE = 2


class SinceBest(TypedDict):
    """FID and the generator's loss of one member, at its best FID and at the end."""

    member: int
    best_at_step: int
    to_step: int
    fid: list[float]  # the best, and the mean of the last two
    generator_loss: list[float]  # at the best FID, and the mean of the last two
    misleads: bool


def examine(inputs: ReportInputs) -> Outcome:
    """Return a failure if a member's loss falls while its FID rises."""
    if inputs.history is None:
        raise NotJudgedError("no history")
    if inputs.scores_by_step is None:
        raise NotJudgedError("no scores along training")
    losses = {curve.member: curve for curve in loss_curves(inputs.history)}
    scores = [
        curve
        for curve in score_curves(inputs.scores_by_step, METRIC)
        if len(curve.steps) >= LEAST_EVALUATIONS and curve.member in losses and len(losses[curve.member].steps) > 1
    ]
    if not scores:
        raise NotJudgedError(f"no member has {LEAST_EVALUATIONS} evaluations with a {METRIC} and its losses")
    return _outcome([_since_best(curve, losses[curve.member]) for curve in scores], inputs.settings)


def _since_best(scores: ScoreCurve, losses: LossCurve) -> SinceBest:
    loss_at_evaluations = _losses_at(scores, losses)
    best = int(np.argmin(scores.values))
    fids, loss = scores.values[best:], loss_at_evaluations[best:]
    noise = float(np.median(np.abs(np.diff(losses.generator_loss))))
    least_fall = max(LEAST_FALL * float(np.median(np.abs(losses.generator_loss))), LEAST_FALL_IN_CHANGES * noise)
    worse = bool(fids[-2:].mean() >= WORSE * fids[0] and _correlation(fids) >= LEAST_CORRELATION)
    falls = bool(loss[0] - loss[-2:].mean() >= least_fall and _correlation(loss) <= -LEAST_CORRELATION)
    return {
        "member": scores.member,
        "best_at_step": int(scores.steps[best]),
        "to_step": int(scores.steps[-1]),
        "fid": [float(fids[0]), float(fids[-2:].mean())],
        "generator_loss": [float(loss[0]), float(loss[-2:].mean())],
        "misleads": len(fids) >= LEAST_EVALUATIONS and worse and falls,
    }


def _losses_at(scores: ScoreCurve, losses: LossCurve) -> Values:
    """Return the generator's mean loss over the intervals since the evaluation before, else the nearest interval's."""
    means = np.empty(len(scores.steps))
    since = -1
    for index, step in enumerate(scores.steps):
        inside = (losses.steps > since) & (losses.steps <= step)
        nearest = int(np.argmin(np.abs(losses.steps - step)))
        means[index] = losses.generator_loss[inside].mean() if inside.any() else losses.generator_loss[nearest]
        since = step
    return means


def _correlation(values: Values) -> float:
    """Return Kendall's rank correlation with time, -1 to 1; 0 for fewer than two values."""
    signs = [np.sign(later - earlier) for earlier, later in combinations(values, 2)]
    return float(np.mean(signs)) if signs else 0.0


def _outcome(members: list[SinceBest], settings: TrainingSettings | None) -> Outcome:
    evidence = {"limits": {"times_best_fid": WORSE, "correlation": LEAST_CORRELATION}, "members": members}
    misled = [member for member in members if member["misleads"]]
    if not misled:
        return Outcome("no member's generator loss fell while its FID became worse", evidence)
    worst = max(misled, key=lambda member: member["fid"][1] / member["fid"][0])
    (fid, last_fid), (loss, last_loss) = worst["fid"], worst["generator_loss"]
    who = name_members([member["member"] for member in misled], len(members))
    summary = (
        f"the generator's loss falls while FID becomes worse in {who}: "
        f"from step {worst['best_at_step']:,} to {worst['to_step']:,} member {worst['member']}'s loss fell from "
        f"{loss:.3g} to {last_loss:.3g} and its FID rose from {fid:.4g} to {last_fid:.4g}"
    )
    changes = [
        f"do not judge by this loss; set steps = {worst['best_at_step']}, where FID was best",
        advice.slower("generator", settings, DIVISOR_OF_RATE),
        advice.more_updates(settings),
    ]
    return Outcome(summary, evidence, advice.either(changes))


CHECK = Check(
    "generator_loss_misleads", "report", "warn", "The generator's loss does not fall while FID becomes worse.", examine
)
