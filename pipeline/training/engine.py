"""Engine: M generators and M discriminators side by side, and the one step that trains them all.

A step is the sources': the discriminator on real images, the discriminator on generated images, then the generator on
the same latents against the discriminator just updated. Members never meet: every operation works on the member
dimension apart, and a member's gradient depends on its own loss alone, so one member's NaN stays its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.networks import Architecture
from pipeline.networks.layers import Stacked
from pipeline.pixels import to_network
from pipeline.settings import TrainingSettings
from pipeline.training import losses
from pipeline.training.optimizers import StackedOptimizer
from pipeline.training.streams import LatentStream, MemberAddress, Purpose, ShuffleStream


@dataclass(frozen=True)
class Member:
    """One of the stack: a replicate (by its index) of one partition's settings."""

    settings: TrainingSettings
    index: int

    @property
    def address(self) -> MemberAddress:
        """Where this member's random numbers come from: the configuration has no part in it."""
        return MemberAddress(self.settings.seed, self.index)


@dataclass(frozen=True)
class StepValues:
    """What one step measured, each (M,). Losses on the training batch, real labels smoothed as trained."""

    discriminator_loss_real: Tensor
    discriminator_loss_generated: Tensor
    generator_loss: Tensor
    real_called_real: Tensor  # share of the real batch
    generated_called_real: Tensor  # share of the generated batch, before the discriminator's update on it


class Ensemble:
    """The stack of members: networks, optimizers, data and random streams on one device."""

    def __init__(self, members: Sequence[Member], network: Architecture, pixels: Tensor, device: torch.device) -> None:
        """`pixels` (N, C, H, W) uint8 are the training images; they stay on the device, uint8 as they are."""
        addresses = [member.address for member in members]
        batch_size = members[0].settings.batch_size
        self.members, self.network, self.device = members, network, device
        self.pixels = pixels.to(device)
        self.generator = network.Generator(len(members)).to(device)
        self.discriminator = network.Discriminator(len(members)).to(device)
        self.generator.initialise([address.stream(Purpose.GENERATOR_WEIGHTS) for address in addresses])
        self.discriminator.initialise([address.stream(Purpose.DISCRIMINATOR_WEIGHTS) for address in addresses])
        self.generator_weights = self.generator.flatten()  # (M, P)
        self.discriminator_weights = self.discriminator.flatten()
        self.generator_optimizer = StackedOptimizer(
            self.generator_weights, [member.settings.generator for member in members]
        )
        self.discriminator_optimizer = StackedOptimizer(
            self.discriminator_weights, [member.settings.discriminator for member in members]
        )
        self.real_label = torch.tensor([[member.settings.real_label] for member in members], device=device)  # (M, 1)
        self.latents = LatentStream(addresses, network, batch_size, device)
        self.shuffle = ShuffleStream(addresses, len(pixels), batch_size, device)

    def step(self, step: int) -> StepValues:
        """Train every member one step; `step` counts from 0 and is the address of its images and latents."""
        real = to_network(self.pixels[self.shuffle.at(step)])
        loss_real, real_logits = self.update_discriminator_on_real(real)
        generated = self.generator(self.latents.at(step))
        loss_generated, generated_logits = self.update_discriminator_on_generated(generated.detach())
        loss_generator = self.update_generator(generated)
        return StepValues(
            loss_real,
            loss_generated,
            loss_generator,
            losses.share_called_real(real_logits),
            losses.share_called_real(generated_logits),
        )

    def update_discriminator_on_real(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Real images (M, B, C, H, W) → the loss (M,) and logits (M, B) before the update."""
        logits = self.discriminator(real)
        loss = losses.discriminator_loss_on_real(logits, self.real_label)
        self.discriminator_optimizer.update(_gradients(loss, self.discriminator))
        return loss.detach(), logits.detach()

    def update_discriminator_on_generated(self, generated: Tensor) -> tuple[Tensor, Tensor]:
        """Generated images (M, B, C, H, W), detached → the loss (M,) and logits (M, B) before the update."""
        logits = self.discriminator(generated)
        loss = losses.discriminator_loss_on_generated(logits)
        self.discriminator_optimizer.update(_gradients(loss, self.discriminator))
        return loss.detach(), logits.detach()

    def update_generator(self, generated: Tensor) -> Tensor:
        """Generated images with their graph → the loss (M,). The discriminator judges and keeps its weights."""
        loss = losses.generator_loss(self.discriminator(generated))
        self.generator_optimizer.update(_gradients(loss, self.generator))
        return loss.detach()

    def finite_members(self) -> list[bool]:
        """Which members have only finite weights, in both networks."""
        finite = torch.isfinite(self.generator_weights).all(dim=1) & torch.isfinite(self.discriminator_weights).all(1)
        return [bool(value) for value in finite.tolist()]


def _gradients(loss: Tensor, network: Stacked) -> tuple[Tensor, ...]:
    """The gradient of each member's loss (M,) by its own parameters, each (M, …)."""
    return torch.autograd.grad(loss.sum(), list(network.parameters()))
