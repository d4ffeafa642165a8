"""Losses, image by image. Logits of any shape in, values or slopes of the same shape out; higher logits mean "real".

| name | discriminator on real r and generated g | generator | source |
|---|---|---|---|
| `non_saturating` | cross entropy with y; -log(1 - σ(g)) | -log σ(g) | Goodfellow et al. 2014, arXiv 1406.2661 |
| `minimax` | the same | log(1 - σ(g)) | the same, equation 1 |
| `least_squares` | (r - y)² / 2; g² / 2 | (g - 1)² / 2 | Mao et al. 2017, arXiv 1611.04076, equation 9 |
| `hinge` | max(0, 1 - r); max(0, 1 + g) | -g | Lim & Ye 2017, arXiv 1705.02894; Miyato et al. 2018 |
| `wasserstein` | -r; g | -g | Arjovsky et al. 2017, arXiv 1701.07875, algorithm 1 |

y is the real label: 1, or less when smoothed on one side (Salimans et al. 2016, arXiv 1606.03498, section 3.4); hinge
and Wasserstein have no labels. Label flips (ganhacks, tip 6) give some images the other class's loss.

A loss is one entry here and its facts (labels, least value) in one of `objectives.LOSS_FACTS`, which needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

Curve = Callable[[Tensor], Tensor]
LabelledCurve = Callable[[Tensor, Tensor], Tensor]  # (logits, real label)


@dataclass(frozen=True)
class Loss:
    """The values of one loss and its slopes, the derivatives by the logit, as functions of logits.

    Updates use only the slopes, and history only the values.
    """

    on_real: LabelledCurve
    on_generated: Curve
    for_generator: Curve
    slope_on_real: LabelledCurve
    slope_on_generated: Curve
    slope_for_generator: Curve
    boundary: float  # a logit above it calls an image real
    as_probability: bool  # True if σ(logit) is the probability of "real"

    def output(self, logits: Tensor) -> Tensor:
        """Return D(x) in this loss: a probability if the loss has one, else the logit."""
        return probability(logits) if self.as_probability else logits


def probability(logits: Tensor) -> Tensor:
    """Return σ(l) = 1 / (1 + exp(-l)). It works in place and outside autograd: updates use only slopes.

    On a CPU the last bits of `torch.sigmoid` and `F.softplus` depend on a value's position in the tensor. A member
    would then differ between a stack and a solo run (decision 0005). The bits of exp and `F.logsigmoid` do not.
    """
    return torch.exp(-logits).add_(1).reciprocal_()


def softplus(logits: Tensor) -> Tensor:
    """Return log(1 + exp(l)) = -log σ(-l)."""
    return -F.logsigmoid(-logits)


def cross_entropy_on_real(logits: Tensor, real_label: Tensor) -> Tensor:
    """Return -y log σ(l) - (1 - y) log(1 - σ(l)) = softplus(l) - y l, which is finite for every logit."""
    return softplus(logits) - real_label * logits


def _constant(value: float) -> Curve:
    return lambda logits: torch.full_like(logits, value)


NON_SATURATING = Loss(
    on_real=cross_entropy_on_real,
    on_generated=softplus,
    for_generator=lambda logits: softplus(-logits),
    slope_on_real=lambda logits, label: probability(logits) - label,
    slope_on_generated=probability,
    slope_for_generator=lambda logits: probability(logits) - 1,
    boundary=0.0,
    as_probability=True,
)

LOSS_FUNCTIONS: dict[str, Loss] = {
    "non_saturating": NON_SATURATING,
    "minimax": replace(
        NON_SATURATING,
        for_generator=lambda logits: -softplus(logits),
        slope_for_generator=lambda logits: -probability(logits),
    ),
    "least_squares": Loss(
        on_real=lambda logits, label: (logits - label).square() / 2,
        on_generated=lambda logits: logits.square() / 2,
        for_generator=lambda logits: (logits - 1).square() / 2,
        slope_on_real=lambda logits, label: logits - label,
        slope_on_generated=lambda logits: logits,
        slope_for_generator=lambda logits: logits - 1,
        boundary=0.5,
        as_probability=False,
    ),
    "hinge": Loss(
        on_real=lambda logits, _label: F.relu(1 - logits),
        on_generated=lambda logits: F.relu(1 + logits),
        for_generator=torch.neg,
        slope_on_real=lambda logits, _label: -(logits < 1).float(),
        slope_on_generated=lambda logits: (logits > -1).float(),
        slope_for_generator=_constant(-1.0),
        boundary=0.0,
        as_probability=False,
    ),
    "wasserstein": Loss(
        on_real=lambda logits, _label: -logits,
        on_generated=lambda logits: logits,
        for_generator=torch.neg,
        slope_on_real=lambda logits, _label: torch.full_like(logits, -1.0),
        slope_on_generated=_constant(1.0),
        slope_for_generator=_constant(-1.0),
        boundary=0.0,
        as_probability=False,
    ),
}


def flipped(own: Tensor, other: Tensor, flips: Tensor) -> Tensor:
    """Return each image's own value or slope, or the other class's if its `flips` is 1."""
    return own + flips * (other - own)
