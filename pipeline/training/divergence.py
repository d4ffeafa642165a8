"""Divergence: which members can no longer be trained, and why. It is checked once per interval.

No threshold is close to the values of healthy runs. Over 3,500 intervals of the seven configurations on MNIST the
discriminator's loss never came below 0.02 over its least value (docs/log.md). Source of the signs: ganhacks, tip 10 and
"how to train a GAN", NIPS 2016 workshop: a discriminator's loss of 0 and gradient norms above 100 mean failure.
"""

from __future__ import annotations

import math

from pipeline.objectives import LOSS_FACTS
from pipeline.settings import TrainingSettings
from pipeline.training.records.history import Measured

LEAST_DISCRIMINATOR_LOSS = 1e-4  # mean over an interval, above the loss's least value
LARGEST_GRADIENT_NORM = 1e4


def divergence(measured: Measured, settings: TrainingSettings, *, weights_are_finite: bool) -> str | None:
    """Return why a member has diverged, as a clause that ends a sentence, or None."""
    losses = (measured.discriminator_loss_real, measured.discriminator_loss_generated, measured.generator_loss)
    if not weights_are_finite or not all(math.isfinite(loss) for loss in losses):
        return "its weights or losses are not finite: lower its rates"
    for norm in (measured.discriminator_gradient_norm, measured.generator_gradient_norm):
        if not norm <= LARGEST_GRADIENT_NORM:  # NaN too
            return f"a gradient has norm {norm:.3g} (limit {LARGEST_GRADIENT_NORM:g}): lower its rates or set clip_norm"
    excess = _discriminator_excess(measured, settings)
    if excess is not None and excess < LEAST_DISCRIMINATOR_LOSS:
        return f"its discriminator's loss is pinned at 0 ({excess:.1g}): slow the discriminator or smooth its labels"
    return None


def _discriminator_excess(measured: Measured, settings: TrainingSettings) -> float | None:
    """Return the discriminator's loss above its least value, or None if the loss has no least value."""
    least = LOSS_FACTS[settings.objective.loss].least
    if least is None:
        return None
    total = measured.discriminator_loss_real + measured.discriminator_loss_generated
    return total - least(settings.objective.real_label)
