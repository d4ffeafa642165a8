"""Step: what one training step is given and what it gives back, all of it on the device.

M members, B images a batch (a rank's part of it) and B' a batch of the generator's own update (B where it has none),
K = `n_critic` rounds of the discriminator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class StepInputs:
    """Everything that differs from step to step, besides what the networks remember."""

    images: tuple[Tensor, ...]  # K of real images, as `TrainingImages.stage` gives them
    latents: tuple[Tensor, ...]  # K of (M, B, Z)
    generator_latents: Tensor | None  # (M, B', Z), where they are not the last of those
    instance_noise: Tensor | None  # standard deviation (M, 1, 1, 1, 1)
    rates: Tensor  # (U + 1, 2, M) of the U updates of the discriminator and the generator's

    def tensors(self) -> Iterator[Tensor]:
        """All of them, in a fixed order."""
        for each in (*self.images, *self.latents, self.generator_latents, self.instance_noise, self.rates):
            if each is not None:
                yield each

    def copy(self) -> StepInputs:
        """The same values in memory of their own."""
        return replace(
            self,
            images=tuple(each.clone() for each in self.images),
            latents=tuple(each.clone() for each in self.latents),
            generator_latents=None if self.generator_latents is None else self.generator_latents.clone(),
            instance_noise=None if self.instance_noise is None else self.instance_noise.clone(),
            rates=self.rates.clone(),
        )


@dataclass(frozen=True)
class StepOutputs:
    """What one step saw before its updates; with n_critic > 1 in its last round."""

    logits: Tensor  # (M, 2B + B'): of real images, of generated ones, of generated ones as the generator is judged
    penalty: Tensor | None  # (M,): weighted gradient penalties, where there are any
    gradient_norms: Tensor | None  # (2, M): of the discriminator's last update, of the generator's

    def tensors(self) -> list[Tensor]:
        """Those there are."""
        return [each for each in (self.logits, self.penalty, self.gradient_norms) if each is not None]

    def changed(self, change: Callable[[Tensor], Tensor]) -> StepOutputs:
        """The same with every tensor changed."""
        penalty = None if self.penalty is None else change(self.penalty)
        norms = None if self.gradient_norms is None else change(self.gradient_norms)
        return StepOutputs(change(self.logits), penalty, norms)


Compute = Callable[[StepInputs], StepOutputs]
