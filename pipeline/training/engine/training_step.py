"""Training step: `n_critic` updates of the discriminator on real and generated images, then one of the generator.

The generator is trained on the last of the same latents, against the discriminator just updated, as the sources do.
A step is pure arithmetic on the device. Everything it needs from outside (images, latents, noise, rates) is in place
before it (`StepInputs`), so `cuda_graph.py` can capture it and `recorded_step.py` can record it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from pipeline.networks import Network
from pipeline.pixels import to_network
from pipeline.training.engine.member import Member
from pipeline.training.engine.network_pair import NetworkPair
from pipeline.training.engine.optimizers import Rates, StackedOptimizer
from pipeline.training.engine.random_streams import NoiseStream
from pipeline.training.engine.ranks import Ranks
from pipeline.training.engine.stacked_objective import StackedObjective
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.recorder import run_eagerly
from pipeline.training.replay.step import StepInputs, StepOutputs


class TrainingStep:
    """The step of stacked members: their networks, objective and optimizers."""

    def __init__(
        self,
        members: Sequence[Member],
        networks: NetworkPair,
        network: Network,
        noise: NoiseStream,
        images: TrainingImages,
        ranks: Ranks,
    ) -> None:
        self.networks, self.images, self.ranks, self.noise = networks, images, ranks, noise
        self.value_range = network.value_range
        self.objective = StackedObjective(members, noise, images.device)
        self.settings = self.objective.settings
        self.measures_gradients = False  # costs a pass over all gradients
        self.generator_parameters = list(networks.generator.parameters())
        self.discriminator_parameters = list(networks.discriminator.parameters())
        self.generator_optimizer = StackedOptimizer(
            networks.generator_weights, self.generator_parameters, [member.settings.generator for member in members]
        )
        self.discriminator_optimizer = StackedOptimizer(
            networks.discriminator_weights,
            self.discriminator_parameters,
            [member.settings.discriminator for member in members],
        )
        shares = [[1.0 - (member.settings.ema_decay or 0.0)] for member in members]
        self.average_share = torch.tensor(shares, device=images.device)  # (M, 1): of the new weights in the average

    @property
    def discriminator_updates(self) -> int:
        """The number of the discriminator's updates per step."""
        return self.settings.n_critic * (2 if self.settings.discriminator_update == "separate" else 1)

    def rates(self, step: int) -> list[Rates]:
        """Return the rates of the discriminator's updates in a step, and last those of the generator's update."""
        updates = range(step * self.discriminator_updates, (step + 1) * self.discriminator_updates)
        rates_of_discriminator = [self.discriminator_optimizer.rates(update) for update in updates]
        return [*rates_of_discriminator, self.generator_optimizer.rates(step)]

    def compute(self, inputs: StepInputs) -> StepOutputs:
        """Train every member one step."""
        *discriminator_rates, generator_rates = inputs.rates.unbind()
        rates = iter(discriminator_rates)
        shared_round = self.settings.n_critic - 1 if self._trains_on_shared_images() else None
        for number, (staged, latents) in enumerate(zip(inputs.images, inputs.latents, strict=True)):
            with torch.set_grad_enabled(number == shared_round):  # the generator's update needs this graph
                generated = self._generate_for_discriminator(latents)
            images = _Images(self._real_images(staged), generated.detach(), inputs.instance_noise)
            last_round = self._train_discriminator(images, rates)
        if shared_round is None:
            own_latents = inputs.generator_latents
            generated = self.networks.generate(inputs.latents[-1] if own_latents is None else own_latents)
        generator_logits, generator_norm = self._train_generator(generated, inputs.instance_noise, generator_rates)
        return StepOutputs(
            torch.cat([last_round.real_logits, last_round.generated_logits, generator_logits], dim=1),
            None if last_round.penalty is None else last_round.penalty.detach(),
            _stack(last_round.gradient_norm, generator_norm),
        )

    def _trains_on_shared_images(self) -> bool:
        """Return whether the generator is trained on the images that the discriminator saw last."""
        return not self.settings.generator_batch_size and self.settings.generated_in == "training"

    def _generate_for_discriminator(self, latents: Tensor) -> Tensor:
        if self.settings.generated_in == "training":
            return self.networks.generate(latents)
        self.networks.generator.eval()
        images = self.networks.generate(latents)
        self.networks.generator.train()
        return images

    def _real_images(self, staged: Tensor) -> Tensor:
        pixels = self.images.batch(staged)
        return pixels if pixels.is_floating_point() else to_network(pixels, self.value_range)

    # -----------------------------------------------------------------------------------------------------------------
    # The discriminator

    def _train_discriminator(self, images: _Images, rates: Iterator[Tensor]) -> _Round:
        if self.settings.discriminator_update == "separate":
            real = self._update_on_real(images, next(rates))
            generated = self._update_on_generated(images, next(rates))
            penalty = _sum(real.penalty, generated.penalty)
            return _Round(real.logits, generated.logits, penalty, generated.gradient_norm)
        return self._update_on_both(images, next(rates))

    def _update_on_real(self, images: _Images, rates: Tensor) -> _Update:
        objective = self.objective
        logits = self.networks.discriminate(objective.noised(images.real, images.noise))
        values, penalty = logits.detach(), objective.r1_penalty(self.networks.discriminator, images.real)
        norm = self._update_discriminator([logits], [objective.slopes_on_real(values)], penalty, rates)
        return _Update(values, penalty, norm)

    def _update_on_generated(self, images: _Images, rates: Tensor) -> _Update:
        objective = self.objective
        logits = self.networks.discriminate(objective.noised(images.generated, images.noise))
        values, penalty = logits.detach(), self._interpolation_penalty(images)
        norm = self._update_discriminator([logits], [objective.slopes_on_generated(values)], penalty, rates)
        return _Update(values, penalty, norm)

    def _update_on_both(self, images: _Images, rates: Tensor) -> _Round:
        objective, discriminate = self.objective, self.networks.discriminate
        real, generated = objective.noised(images.real, images.noise), objective.noised(images.generated, images.noise)
        if self.settings.discriminator_update == "mixed":
            self.noise.batches = 2
            real_logits, generated_logits = discriminate(torch.cat([real, generated], dim=1)).chunk(2, dim=1)
            self.noise.batches = 1
            weight = 0.5  # the mean over the whole batch
        else:
            real_logits, generated_logits, weight = discriminate(real), discriminate(generated), 1.0
        real_values, generated_values = real_logits.detach(), generated_logits.detach()
        slopes = [
            weight * objective.slopes_on_real(real_values),
            weight * objective.slopes_on_generated(generated_values),
        ]
        r1 = objective.r1_penalty(self.networks.discriminator, images.real)
        penalty = _sum(r1, self._interpolation_penalty(images))
        norm = self._update_discriminator([real_logits, generated_logits], slopes, penalty, rates)
        return _Round(real_values, generated_values, penalty, norm)

    def _interpolation_penalty(self, images: _Images) -> Tensor | None:
        return self.objective.interpolation_penalty(self.networks.discriminator, images.real, images.generated)

    def _update_discriminator(
        self, logits: list[Tensor], slopes: list[Tensor], penalty: Tensor | None, rates: Tensor
    ) -> Tensor | None:
        """Update from logits, the losses' slopes at them (M, B) each, and penalties (M,); return gradient norms."""
        outputs, seeds = list(logits), [slope * (1.0 / slope.shape[1]) for slope in slopes]
        if penalty is not None:
            outputs.append(penalty)
            seeds.append(torch.ones_like(penalty))
        norm = self._update(outputs, seeds, self.discriminator_parameters, self.discriminator_optimizer, rates)
        self.objective.clip_weights_(self.networks.discriminator_weights)
        return norm

    # -----------------------------------------------------------------------------------------------------------------
    # The generator

    def _train_generator(self, generated: Tensor, noise: Tensor | None, rates: Tensor) -> tuple[Tensor, Tensor | None]:
        """Update the generator from its images with their graph; return their logits and its gradient norms."""
        logits = self.networks.discriminate(self.objective.noised(generated, noise))
        values = logits.detach()
        slopes = self.objective.slopes_for_generator(values) * (1.0 / logits.shape[1])
        norm = self._update([logits], [slopes], self.generator_parameters, self.generator_optimizer, rates)
        if self.networks.generator_average is not None:
            self.networks.generator_average.lerp_(self.networks.generator_weights, self.average_share)
        return values, norm

    def _update(
        self,
        outputs: list[Tensor],
        seeds: list[Tensor],
        parameters: list[Parameter],
        optimizer: StackedOptimizer,
        rates: Tensor,
    ) -> Tensor | None:
        """Update one network from outputs and the loss's derivatives by them; return gradient norms if measured."""
        gradients = torch.autograd.grad(outputs, parameters, seeds)
        self.ranks.average_(gradients)
        norm = gradient_norms(gradients) if self.measures_gradients else None
        run_eagerly(optimizer.update, gradients, rates)  # fused kernels take rates as Python numbers
        return norm

    # -----------------------------------------------------------------------------------------------------------------
    # State

    def state(self, rows: slice) -> dict[str, Tensor]:
        """Return views of the moments of neighbouring members with the same kinds of optimizer, each (m, P)."""
        generator, discriminator = self.generator_optimizer.state(rows), self.discriminator_optimizer.state(rows)
        return {
            **{f"generator_optimizer.{name}": value for name, value in generator.items()},
            **{f"discriminator_optimizer.{name}": value for name, value in discriminator.items()},
        }


@dataclass(frozen=True)
class _Images:
    """The images of one round of the discriminator."""

    real: Tensor
    generated: Tensor  # detached
    noise: Tensor | None  # standard deviation of instance noise


@dataclass(frozen=True)
class _Update:
    """One update of the discriminator."""

    logits: Tensor
    penalty: Tensor | None
    gradient_norm: Tensor | None


@dataclass(frozen=True)
class _Round:
    """One round of the discriminator."""

    real_logits: Tensor
    generated_logits: Tensor
    penalty: Tensor | None
    gradient_norm: Tensor | None


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one + other


def _stack(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else torch.stack([one, other])


def gradient_norms(gradients: Sequence[Tensor]) -> Tensor:
    """Return each member's Euclidean norm (M,) of the gradients (M, …) of all parameters."""
    by_parameter = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    norms: Tensor = torch.linalg.vector_norm(by_parameter, dim=0)
    return norms
