"""Generator loss misleads: the generator's loss falls while its images become worse.

"If the generator's loss falls steadily, it is fooling the discriminator with garbage" ("How to train a GAN", ganhacks).
Looked at: a member's evaluations from its best FID to the last, at least three, and the generator's training loss at
each of them: the mean over the intervals since the evaluation before. Found: FID rises (rank correlation with the step
of at least 0.5, the last two 15 % above the best) and the loss falls (-0.5 or less, the last two below that at the best
FID by 5 % of the loss's size, and by twice what it changes from interval to interval). A loss that falls as FID
improves, or after FID has settled, is none.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from pipeline.checks import advice
from pipeline.checks.curves import LossCurve, ScoreCurve, Values, loss_curves, named, score_curves
from pipeline.checks.facts import Check, ReportFacts
from pipeline.findings import Finding, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "generator_loss_misleads"
METRIC = "fid"
LEAST_EVALUATIONS = 3  # from the best one on
WORSE = 1.15  # times the best FID
LEAST_CORRELATION = 0.5  # Kendall's
LEAST_FALL = 0.05  # of the loss's size
LEAST_FALL_IN_CHANGES = 2.0  # of the median change from interval to interval
DIVISOR_OF_RATE = 2


def judge(facts: ReportFacts) -> Finding:
    """Whether the generator's loss can be believed."""
    if facts.scores_by_step is None or facts.history is None:
        return not_judged(NAME, "warn", "no scores along training" if facts.history is not None else "no history")
    losses = {curve.member: curve for curve in loss_curves(facts.history)}
    scores = [
        curve
        for curve in score_curves(facts.scores_by_step, METRIC)
        if len(curve.steps) >= LEAST_EVALUATIONS and curve.member in losses and len(losses[curve.member].steps) > 1
    ]
    if not scores:
        return not_judged(NAME, "warn", f"no member has {LEAST_EVALUATIONS} evaluations with a {METRIC} and its losses")
    return _finding([_since_best(curve, losses[curve.member]) for curve in scores], facts.settings)


def _since_best(scores: ScoreCurve, losses: LossCurve) -> dict[str, Any]:
    """How FID and the generator's loss went on from a member's best FID."""
    loss_at = _losses_at(scores, losses)
    best = int(np.argmin(scores.values))
    fids, loss = scores.values[best:], loss_at[best:]
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
    """The generator's mean loss over the intervals that ended since the evaluation before; else that of the nearest."""
    found = np.empty(len(scores.steps))
    since = -1
    for index, step in enumerate(scores.steps):
        inside = (losses.steps > since) & (losses.steps <= step)
        nearest = int(np.argmin(np.abs(losses.steps - step)))
        found[index] = losses.generator_loss[inside].mean() if inside.any() else losses.generator_loss[nearest]
        since = step
    return found


def _correlation(values: Values) -> float:
    """Kendall's rank correlation with time, -1 to 1; 0 for fewer than two values."""
    signs = [np.sign(later - earlier) for earlier, later in combinations(values, 2)]
    return float(np.mean(signs)) if signs else 0.0


def _finding(seen: list[dict[str, Any]], settings: TrainingSettings | None) -> Finding:
    evidence = {"limits": {"times_best_fid": WORSE, "correlation": LEAST_CORRELATION}, "members": seen}
    misled = [each for each in seen if each["misleads"]]
    if not misled:
        return passing(NAME, "warn", "no member's generator loss fell while its FID became worse", evidence)
    worst = max(misled, key=lambda each: float(each["fid"][1] / each["fid"][0]))
    (fid, last_fid), (loss, last_loss) = worst["fid"], worst["generator_loss"]
    summary = (
        f"the generator's loss falls while FID becomes worse in {named([m['member'] for m in misled], len(seen))}: "
        f"from step {worst['best_at_step']:,} to {worst['to_step']:,} member {worst['member']}'s loss fell from "
        f"{loss:.3g} to {last_loss:.3g} and its FID rose from {fid:.4g} to {last_fid:.4g}"
    )
    changes = [
        f"do not judge by this loss; set steps = {worst['best_at_step']}, where FID was best",
        advice.slower("generator", settings, DIVISOR_OF_RATE),
        advice.more_updates(settings),
    ]
    return failing(NAME, "warn", summary, evidence, advice.either(changes))


CHECK = Check(NAME, "report", "warn", "The generator's loss does not fall while FID becomes worse.", judge)
