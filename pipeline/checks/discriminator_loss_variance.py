"""Variance of the discriminator's loss: it explodes over the run, or is huge at its end.

"Huge variance and spikes" in this loss are a sign of failure in "How to train a GAN" (ganhacks). The spread of a window
of intervals is the upper quartile of the changes from one interval to the next: a quartile ignores single spikes, and
changes ignore slow trends. The check compares the last third of the run with the second. It ignores the first third,
because losses jump there in healthy trainings too.

The unit of the spread is the excess of an undecided discriminator (`LOSS_FACTS`). A Wasserstein loss has no such
unit; its unit is the loss's own size in the second third. Exploding: the last third has at least 4 times the spread of
the second, and at least a tenth of the unit. Huge: at least 0.2 of the unit, exploding or not; this rule leaves out
Wasserstein losses, whose size is not bounded. Healthy trainings came to a ratio of 4.0 with a spread of 0.04, and to a
spread of 0.14 with a ratio of 1.4 (docs/log.md).
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, TrainingInputs
from pipeline.checks.member_curves import LossCurve, Values, long_loss_curves
from pipeline.checks.member_scores import name_members
from pipeline.objectives import LOSS_FACTS
from pipeline.settings import TrainingSettings

LEAST_INTERVALS = 24  # a third is then 8: the quartile leaves the two changes of a spike out
EXPLODING_RATIO = 4.0
LEAST_SPREAD = 0.1  # of the unit
HUGE_SPREAD = 0.2
QUARTILE = 0.75
DIVISOR_OF_RATE = 2
UNIT = "an undecided discriminator's excess"


class LastThird(TypedDict):
    """The changes of one member's loss in the last third of the run."""

    member: int
    from_step: int
    to_step: int
    spread: float  # in the unit
    ratio: float | None  # to the spread of the second third; None: the loss did not move there


def examine(inputs: TrainingInputs) -> Outcome:
    """Return a failure if the discriminator's loss swings more and more, or too much."""
    if inputs.history is None or inputs.settings is None:
        raise NotJudgedError("no history")
    objective = inputs.settings.objective
    unit = LOSS_FACTS[objective.loss].undecided_excess(objective.real_label)
    curves = long_loss_curves(inputs.history, LEAST_INTERVALS)
    return _outcome([_last_third(curve, unit) for curve in curves], inputs.settings, has_unit=unit is not None)


def _last_third(curve: LossCurve, unit: float | None) -> LastThird:
    changes = np.abs(np.diff(curve.discriminator_loss))
    third = len(changes) // 3
    before, after = _spread(changes[-2 * third : -third]), _spread(changes[-third:])
    size = unit or float(np.median(curve.discriminator_size[-2 * third : -third]))
    return {
        "member": curve.member,
        "from_step": int(curve.steps[-third]),
        "to_step": int(curve.steps[-1]),
        "spread": after / size if size > 0 else 0.0,
        "ratio": after / before if before > 0 else None,
    }


def _spread(changes: Values) -> float:
    return float(np.quantile(changes, QUARTILE))


def _outcome(members: list[LastThird], settings: TrainingSettings, *, has_unit: bool) -> Outcome:
    limits = {"ratio": EXPLODING_RATIO, "spread": LEAST_SPREAD, "huge_spread": HUGE_SPREAD if has_unit else None}
    evidence = {"limits": limits, "members": members}
    swinging = [third for third in members if _explodes(third) or (has_unit and third["spread"] >= HUGE_SPREAD)]
    worst = max(swinging or members, key=lambda third: third["spread"])
    spread = f"{worst['spread']:.2g} of {UNIT if has_unit else 'its own size'}"
    if not swinging:
        summary = f"the discriminator's loss changes by at most {spread} from interval to interval in the last third"
        return Outcome(summary, evidence)
    times = "" if worst["ratio"] is None else f", {worst['ratio']:.2g} times as much as in the third before"
    who = name_members([third["member"] for third in swinging], settings.members)
    summary = (
        f"the discriminator's loss swings in {who}: from step {worst['from_step']:,} to {worst['to_step']:,} the loss "
        f"of member {worst['member']} changes by {spread} from interval to interval{times}"
    )
    changes = [
        advice.slower("discriminator", settings, DIVISOR_OF_RATE),
        advice.less_momentum(settings),
        advice.clipped(settings),
        advice.penalised(settings),
    ]
    return Outcome(summary, evidence, advice.either(changes))


def _explodes(third: LastThird) -> bool:
    grows = third["ratio"] is None or third["ratio"] >= EXPLODING_RATIO
    return grows and third["spread"] >= LEAST_SPREAD


CHECK = Check(
    "discriminator_loss_variance", "history", "warn", "The discriminator's loss does not swing more and more.", examine
)
