"""Discriminator pinned: towards the end its loss stays close to the least value it can have.

Such a discriminator is certain and right, and its gradient tells the generator next to nothing: a loss of 0 is the
first sign of failure in "How to train a GAN" (ganhacks). Training itself stops a member at an excess of 1e-4
(`training/divergence.py`); this is the earlier, weaker sign.

Looked at: the median over the last fifth of a member's intervals (at least 3) of the loss's excess over its least
value, as a share of the excess of a discriminator that cannot tell (`least_losses.py`: smoothed labels and kinds of
losses are accounted for; a Wasserstein loss has no least value). Pinned: below 1 %. In healthy trainings this median
was at least 3 % (docs/log.md), and single intervals came down to 1.3 %. The accuracy is evidence only: a share below 1
% leaves no room for more than a few wrong judgements in a hundred, while accuracies of 100 % are common at the start of
healthy trainings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.checks import advice
from pipeline.checks.curves import LossCurve, loss_curves, named
from pipeline.checks.facts import Check, TrainingFacts
from pipeline.checks.least_losses import least_loss, undecided_excess
from pipeline.findings import Finding, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "discriminator_pinned"
PINNED_SHARE = 0.01
LATEST = 0.2  # of the intervals
LEAST_INTERVALS = 3
DIVISOR_OF_RATE = 2


def judge(facts: TrainingFacts) -> Finding:
    """Whether the discriminator leaves the generator something to learn from."""
    if facts.history is None or facts.settings is None:
        return not_judged(NAME, "warn", "no history")
    least, unit = least_loss(facts.settings.objective), undecided_excess(facts.settings.objective)
    if least is None or unit is None:
        return not_judged(NAME, "warn", f"a {facts.settings.objective.loss} loss has no least value")
    curves = [curve for curve in loss_curves(facts.history) if len(curve.steps) >= LEAST_INTERVALS]
    if not curves:
        return not_judged(NAME, "warn", f"no member has {LEAST_INTERVALS} intervals with finite losses")
    return _finding([_latest(curve, least, unit) for curve in curves], facts.settings)


def _latest(curve: LossCurve, least: float, unit: float) -> dict[str, Any]:
    """What a member's last intervals show."""
    count = max(LEAST_INTERVALS, round(LATEST * len(curve.steps)))
    return {
        "member": curve.member,
        "from_step": int(curve.steps[-count]),
        "to_step": int(curve.steps[-1]),
        "share": float(np.median(curve.discriminator_loss[-count:] - least)) / unit,
        "accuracy": float(np.median(curve.discriminator_accuracy[-count:])),
    }


def _finding(seen: list[dict[str, Any]], settings: TrainingSettings) -> Finding:
    evidence = {"limit": PINNED_SHARE, "members": seen}
    pinned = [each for each in seen if each["share"] < PINNED_SHARE]
    lowest = min(seen, key=lambda each: float(each["share"]))
    if not pinned:
        return passing(
            NAME,
            "warn",
            f"the discriminator's loss ends {lowest['share']:.2g} or more of an undecided one's above its least value "
            f"(limit {PINNED_SHARE:g})",
            evidence,
        )
    who = named([each["member"] for each in pinned], settings.members)
    summary = (
        f"the discriminator's loss is pinned at its least value in {who}: member {lowest['member']} has "
        f"{lowest['share']:.1g} of an undecided one's excess (limit {PINNED_SHARE:g}) and an accuracy of "
        f"{lowest['accuracy']:.3f} from step {lowest['from_step']:,} to {lowest['to_step']:,}"
    )
    changes = [
        advice.slower_where_faster("generator", settings),
        advice.fewer_updates(settings),
        advice.slower("discriminator", settings, DIVISOR_OF_RATE),
        advice.smoother_labels(settings),
        advice.noisier_images(settings),
    ]
    return failing(NAME, "warn", summary, evidence, advice.either(changes))


CHECK = Check(NAME, "history", "warn", "The discriminator's loss does not stay at its least value.", judge)
