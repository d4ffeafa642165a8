"""Discriminator pinned: towards the end its loss stays close to the least value it can have.

Such a discriminator is certain and right, and its gradient is almost 0 for the generator. A loss of 0 is the first sign
of failure in "How to train a GAN" (ganhacks). Training itself stops a member at an excess of 1e-4
(`training/divergence.py`); this check is the earlier, weaker sign.

The check takes the median, over the last fifth of a member's intervals (at least 3), of the loss's excess over its
least value. It divides by the excess of an undecided discriminator (`LOSS_FACTS`), so that smoothed labels and
the kind of loss make no difference. A Wasserstein loss has no least value. Pinned: below 1 %. In healthy trainings this
median was at least 3 % (docs/log.md), and single intervals came down to 1.3 %.

The accuracy is evidence only. A share below 1 % leaves room for a few wrong judgements in a hundred at most, while
accuracies of 100 % are common at the start of healthy trainings.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, TrainingInputs
from pipeline.checks.member_curves import LossCurve, long_loss_curves
from pipeline.checks.member_scores import name_members
from pipeline.objectives import LOSS_FACTS
from pipeline.settings import TrainingSettings

PINNED_SHARE = 0.01
LATEST = 0.2  # of the intervals
LEAST_INTERVALS = 3
DIVISOR_OF_RATE = 2


class LatestIntervals(TypedDict):
    """Medians over a member's last intervals."""

    member: int
    from_step: int
    to_step: int
    share: float  # excess over the least loss, as a share of an undecided discriminator's excess
    accuracy: float


def examine(inputs: TrainingInputs) -> Outcome:
    """Return a failure if a discriminator's loss stays at its least value."""
    if inputs.history is None or inputs.settings is None:
        raise NotJudgedError("no history")
    objective = inputs.settings.objective
    loss = LOSS_FACTS[objective.loss]
    excess = loss.undecided_excess(objective.real_label)
    if loss.least is None or excess is None:
        raise NotJudgedError(f"a {objective.loss} loss has no least value")
    least = loss.least(objective.real_label)
    curves = long_loss_curves(inputs.history, LEAST_INTERVALS)
    return _outcome([_latest(curve, least, excess) for curve in curves], inputs.settings)


def _latest(curve: LossCurve, least: float, excess: float) -> LatestIntervals:
    count = max(LEAST_INTERVALS, round(LATEST * len(curve.steps)))
    return {
        "member": curve.member,
        "from_step": int(curve.steps[-count]),
        "to_step": int(curve.steps[-1]),
        "share": float(np.median(curve.discriminator_loss[-count:] - least)) / excess,
        "accuracy": float(np.median(curve.discriminator_accuracy[-count:])),
    }


def _outcome(members: list[LatestIntervals], settings: TrainingSettings) -> Outcome:
    evidence = {"limit": PINNED_SHARE, "members": members}
    pinned = [latest["member"] for latest in members if latest["share"] < PINNED_SHARE]
    lowest = min(members, key=lambda latest: latest["share"])
    if not pinned:
        summary = (
            f"the discriminator's loss ends at least {lowest['share']:.2g} of an undecided discriminator's excess "
            f"above its least value (limit {PINNED_SHARE:g})"
        )
        return Outcome(summary, evidence)
    summary = (
        f"the discriminator's loss is pinned at its least value in {name_members(pinned, settings.members)}: member "
        f"{lowest['member']} has {lowest['share']:.1g} of an undecided discriminator's excess (limit {PINNED_SHARE:g}) "
        f"and an accuracy of {lowest['accuracy']:.3f} from step {lowest['from_step']:,} to {lowest['to_step']:,}"
    )
    changes = [
        advice.slower_where_faster("generator", settings),
        advice.fewer_updates(settings),
        advice.slower("discriminator", settings, DIVISOR_OF_RATE),
        advice.smoother_labels(settings),
        advice.noisier_images(settings),
    ]
    return Outcome(summary, evidence, advice.either(changes))


CHECK = Check(
    "discriminator_pinned", "history", "warn", "The discriminator's loss does not stay at its least value.", examine
)
