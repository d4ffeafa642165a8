"""Least losses: how far a discriminator's loss is above its least value, in a unit that all losses share.

The unit is the excess of a discriminator that cannot tell: one that gives every image the same best answer. A share of
1 is that discriminator, 0 one that is certain and right. Formulas of the losses: `training/losses.py`, which needs
torch; a test holds these beside them.

| loss | least value | excess of one that cannot tell |
|---|---|---|
| non_saturating, minimax | H(y), the entropy of the smoothed label | that of the best constant output y / 2: |
| | | -y log p - (2 - y) log(1 - p) - H(y), p = y / 2 |
| least_squares | 0 | the best constant output y / 2: y² / 4 |
| hinge | 0 | 2 |
| wasserstein | none | |
"""

from __future__ import annotations

import math

from pipeline.objectives import ObjectiveSettings


def least_loss(objective: ObjectiveSettings) -> float | None:
    """The smallest sum of the losses on real and on generated images; None where there is no smallest."""
    if objective.loss in ("non_saturating", "minimax"):
        return _entropy(objective.real_label)
    return None if objective.loss == "wasserstein" else 0.0


def undecided_excess(objective: ObjectiveSettings) -> float | None:
    """How far the loss of a discriminator that cannot tell is above the least; None where there is no least."""
    label = objective.real_label
    if objective.loss in ("non_saturating", "minimax"):
        output = label / 2
        return -label * math.log(output) - (2 - label) * math.log(1 - output) - _entropy(label)
    return {"least_squares": label**2 / 4, "hinge": 2.0}.get(objective.loss)


def _entropy(label: float) -> float:
    return -sum(share * math.log(share) for share in (label, 1 - label) if share > 0)
