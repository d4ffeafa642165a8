"""Step: the tensors that one training step reads and the tensors that it returns, all on the device.

M members, B images per batch (a rank's part of it), B' images per batch of the generator's own update (else B),
K = `n_critic` rounds of the discriminator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class StepInputs:
    """Everything that differs from step to step, except the state that the networks and optimizers keep."""

    images: tuple[Tensor, ...]  # K batches of real images, as `TrainingImages.stage` returns them
    latents: tuple[Tensor, ...]  # K of (M, B, Z)
    generator_latents: Tensor | None  # (M, B', Z); None: the generator is trained on the last of `latents`
    instance_noise: Tensor | None  # standard deviation (M, 1, 1, 1, 1)
    rates: Tensor  # (U + 1, 2, M): of the U updates of the discriminator, then of the generator's

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors in a fixed order."""
        for tensor in (*self.images, *self.latents, self.generator_latents, self.instance_noise, self.rates):
            if tensor is not None:
                yield tensor

    def copy(self) -> StepInputs:
        """Return the same values in new memory."""
        return replace(
            self,
            images=tuple(batch.clone() for batch in self.images),
            latents=tuple(batch.clone() for batch in self.latents),
            generator_latents=None if self.generator_latents is None else self.generator_latents.clone(),
            instance_noise=None if self.instance_noise is None else self.instance_noise.clone(),
            rates=self.rates.clone(),
        )


@dataclass(frozen=True)
class StepOutputs:
    """Measurements of one step before its updates; with n_critic > 1, of its last round."""

    logits: Tensor  # (M, 2B + B'): of real images, of generated ones, and of those the generator is trained on
    penalty: Tensor | None  # (M,): weighted gradient penalties, if there are any
    gradient_norms: Tensor | None  # (2, M): of the discriminator's last update, of the generator's

    def tensors(self) -> list[Tensor]:
        """Return the tensors that are not None."""
        return [tensor for tensor in (self.logits, self.penalty, self.gradient_norms) if tensor is not None]

    def map(self, change: Callable[[Tensor], Tensor]) -> StepOutputs:
        """Return outputs in which `change` replaces every tensor."""
        penalty = None if self.penalty is None else change(self.penalty)
        norms = None if self.gradient_norms is None else change(self.gradient_norms)
        return StepOutputs(change(self.logits), penalty, norms)


Compute = Callable[[StepInputs], StepOutputs]
