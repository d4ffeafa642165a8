"""Variance of the discriminator's loss: whether it explodes over the run, or is huge at its end.

"Huge variance and spikes" in this loss are a sign of failure in "How to train a GAN" (ganhacks). Looked at: the spread
of a window of intervals, which is the upper quartile of the changes from one interval to the next. A quartile does not
see single spikes, changes do not see slow trends, and the first third of the run is not looked at, because losses jump
there in healthy trainings too. The last third is compared with the second.

The spread is taken as a share of the excess of a discriminator that cannot tell (`least_losses.py`), and of a
Wasserstein loss, which has no such unit, of the loss's own size in the second third. Exploding: the last third has at
least 4 times the spread of the second, and at least a tenth of the unit. Huge: at least 0.2 of the unit, exploding or
not; this is not asked of Wasserstein losses, whose size is not bounded. Healthy trainings came to a ratio of 4.0 with a
spread of 0.04, and to a spread of 0.14 with a ratio of 1.4 (docs/log.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.checks import advice
from pipeline.checks.curves import LossCurve, Values, loss_curves, named
from pipeline.checks.facts import Check, TrainingFacts
from pipeline.checks.least_losses import undecided_excess
from pipeline.findings import Finding, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "discriminator_loss_variance"
LEAST_INTERVALS = 24  # a third is then 8: the quartile leaves the two changes of a spike out
EXPLODING_RATIO = 4.0
LEAST_SPREAD = 0.1  # of the unit
HUGE_SPREAD = 0.2
QUARTILE = 0.75
DIVISOR_OF_RATE = 2


def judge(facts: TrainingFacts) -> Finding:
    """Whether the discriminator's loss calms down as training goes on."""
    if facts.history is None or facts.settings is None:
        return not_judged(NAME, "warn", "no history")
    curves = [curve for curve in loss_curves(facts.history) if len(curve.steps) >= LEAST_INTERVALS]
    if not curves:
        return not_judged(NAME, "warn", f"no member has {LEAST_INTERVALS} intervals with finite losses")
    unit = undecided_excess(facts.settings.objective)
    return _finding([_spreads(curve, unit) for curve in curves], facts.settings, has_unit=unit is not None)


def _spreads(curve: LossCurve, unit: float | None) -> dict[str, Any]:
    """The spread of a member's last third, as a share of the unit, and beside that of the second third."""
    changes = np.abs(np.diff(curve.discriminator_loss))
    third = len(changes) // 3
    before, after = _spread(changes[-2 * third : -third]), _spread(changes[-third:])
    size = unit or float(np.median(curve.discriminator_size[-2 * third : -third]))
    return {
        "member": curve.member,
        "from_step": int(curve.steps[-third]),
        "to_step": int(curve.steps[-1]),
        "spread": after / size if size > 0 else 0.0,
        "ratio": after / before if before > 0 else None,  # None: the loss did not move at all before
    }


def _spread(changes: Values) -> float:
    return float(np.quantile(changes, QUARTILE))


def _finding(seen: list[dict[str, Any]], settings: TrainingSettings, *, has_unit: bool) -> Finding:
    limits = {"ratio": EXPLODING_RATIO, "spread": LEAST_SPREAD, "huge_spread": HUGE_SPREAD if has_unit else None}
    evidence = {"limits": limits, "members": seen}
    sick = [each for each in seen if _explodes(each) or (has_unit and each["spread"] >= HUGE_SPREAD)]
    worst = max(sick or seen, key=lambda each: float(each["spread"]))
    shown = f"{worst['spread']:.2g} of {'an undecided one' if has_unit else 'its own size'}"
    if not sick:
        summary = f"the discriminator's loss changes by at most {shown} from interval to interval in the last third"
        return passing(NAME, "warn", summary, evidence)
    times = "" if worst["ratio"] is None else f", {worst['ratio']:.2g} times as much as in the third before"
    summary = (
        f"the discriminator's loss swings in {named([each['member'] for each in sick], settings.members)}: "
        f"from step {worst['from_step']:,} to {worst['to_step']:,} member {worst['member']}'s changes by {shown} "
        f"from interval to interval{times}"
    )
    changes = [
        advice.slower("discriminator", settings, DIVISOR_OF_RATE),
        advice.less_momentum(settings),
        advice.clipped(settings),
        advice.penalised(settings),
    ]
    return failing(NAME, "warn", summary, evidence, advice.either(changes))


def _explodes(seen: dict[str, Any]) -> bool:
    grows = seen["ratio"] is None or seen["ratio"] >= EXPLODING_RATIO
    return bool(grows and seen["spread"] >= LEAST_SPREAD)


CHECK = Check(NAME, "history", "warn", "The discriminator's loss does not swing more and more.", judge)
