"""Stacked objective: losses, noise and penalties of M members, with numbers that may differ by member as columns.

Formulas are in `losses.py` and `regularisers.py`. A member's value and gradient depend on its own images alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipeline.networks.stacked import Stacked
from pipeline.training.engine.losses import LOSS_FUNCTIONS, flipped
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import NoiseStream
from pipeline.training.engine.regularisers import gradient_penalty, noise_scale, r1_penalty


class StackedObjective:
    """The objective of stacked members. Random numbers come from `noise`, in the order of the calls."""

    def __init__(self, members: Sequence[Member], noise: NoiseStream, device: torch.device) -> None:
        """Make a column for each number; all members use the same loss and the same kinds of regularisers."""

        def column(value: Callable[[Member], float]) -> Tensor:
            return torch.tensor([[value(member)] for member in members], device=device)  # (M, 1)

        self.settings = members[0].settings.objective  # for the fields in which all members agree
        self.loss, self.noise = LOSS_FUNCTIONS[self.settings.loss], noise
        self.real_label = column(lambda member: member.settings.objective.real_label)
        self.label_flip = column(lambda member: member.settings.objective.label_flip)
        self.instance_noise = column(lambda member: member.settings.objective.instance_noise)[:, :, None, None, None]
        self.gradient_penalty = column(lambda member: member.settings.objective.gradient_penalty).squeeze(1)
        self.r1 = column(lambda member: member.settings.objective.r1).squeeze(1)
        self.weight_clip = column(lambda member: member.settings.objective.weight_clip or 0.0)

    # -----------------------------------------------------------------------------------------------------------------
    # Losses

    def slopes_on_real(self, logits: Tensor) -> Tensor:
        """Return the slopes (M, B) of the discriminator's loss at logits (M, B) of real images."""
        slopes = self.loss.slope_on_real(logits, self.real_label)
        flips = self._flips(logits)
        return slopes if flips is None else flipped(slopes, self.loss.slope_on_generated(logits), flips)

    def slopes_on_generated(self, logits: Tensor) -> Tensor:
        """Return the slopes (M, B) of the discriminator's loss at logits (M, B) of generated images."""
        slopes = self.loss.slope_on_generated(logits)
        flips = self._flips(logits)
        return slopes if flips is None else flipped(slopes, self.loss.slope_on_real(logits, self.real_label), flips)

    def slopes_for_generator(self, logits: Tensor) -> Tensor:
        """Return the slopes (M, B) of the generator's loss at logits (M, B)."""
        return self.loss.slope_for_generator(logits)

    def _flips(self, logits: Tensor) -> Tensor | None:
        if self.settings.label_flip == 0:
            return None
        return (self.noise.uniform(tuple(logits.shape[1:])) < self.label_flip).float()

    # -----------------------------------------------------------------------------------------------------------------
    # Regularisers

    def noise_scale(self, step: int) -> Tensor | None:
        """Return the standard deviation (M, 1, 1, 1, 1) of instance noise at a step, or None without noise."""
        if self.settings.instance_noise == 0:
            return None
        return noise_scale(self.instance_noise, self.settings.instance_noise_steps, step)

    def noised(self, images: Tensor, scale: Tensor | None) -> Tensor:
        """Return images plus normal noise of a standard deviation; `scale` None adds no noise."""
        return images if scale is None else images + scale * self.noise.normal(tuple(images.shape[1:]))

    def r1_penalty(self, discriminator: Stacked, real: Tensor) -> Tensor | None:
        """Return the weighted R1 penalty (M,), or None if its weight is 0."""
        return self.r1 * r1_penalty(discriminator, real) if self.settings.r1 else None

    def interpolation_penalty(self, discriminator: Stacked, real: Tensor, generated: Tensor) -> Tensor | None:
        """Return the weighted gradient penalty (M,) between real and generated images, or None if its weight is 0."""
        if not self.settings.gradient_penalty:
            return None
        positions = self.noise.uniform((real.shape[1],))
        return self.gradient_penalty * gradient_penalty(discriminator, real, generated, positions)

    def clip_weights_(self, weights: Tensor) -> None:
        """Clip the discriminators' weights (M, P) in place, if the settings clip weights."""
        if self.settings.weight_clip is not None:
            weights.clamp_(-self.weight_clip, self.weight_clip)
