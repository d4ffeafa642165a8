"""Engine: M generators and M discriminators side by side, and the one step that trains them all.

A step is the sources': `n_critic` updates of the discriminator, on real images and on generated ones, then the
generator on the last of the same latents against the discriminator just updated. Members never meet: every operation
works on the member dimension apart, and a member's gradient depends on its own loss alone, so one member's NaN stays
its own.

All that a step needs from outside (images, latents, noise, rates) is put in place before it (`StepInputs`); the step
itself is pure arithmetic on the device, which `cuda_graph.py` can capture and `recorded_step.py` record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Parameter

from pipeline.memory import large_blocks_mapped
from pipeline.networks import Network
from pipeline.networks.convolution import has_convolutions
from pipeline.networks.dropout import Dropout
from pipeline.networks.normalisation import apply_spectral_norm
from pipeline.pixels import to_network
from pipeline.settings import TrainingSettings
from pipeline.training.engine.losses import LOSSES, flipped
from pipeline.training.engine.optimizers import Rates, StackedOptimizer
from pipeline.training.engine.random_streams import LatentStream, MemberAddress, NoiseStream, Purpose, ShuffleStream
from pipeline.training.engine.ranks import ALONE, Ranks
from pipeline.training.engine.regularisers import gradient_penalty, noise_scale, r1_penalty
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.cuda_graph import GraphedStep
from pipeline.training.replay.memory_plan import Arenas
from pipeline.training.replay.recorded_step import RecordedStep
from pipeline.training.replay.recorder import unrecorded
from pipeline.training.replay.step import StepInputs, StepOutputs

SETTLING_STEPS = 2  # the first makes buffers, the second is recorded; after them all that stays is there
RATES_BLOCK_STEPS = 64  # rates are worked out, and copied to the device, for so many steps at a time


@dataclass(frozen=True)
class Member:
    """One of the stack: a replicate (by its index) of one partition's settings."""

    settings: TrainingSettings
    index: int

    @property
    def address(self) -> MemberAddress:
        """Where this member's random numbers come from: the configuration has no part in it."""
        return MemberAddress(self.settings.seed, self.index)


class Ensemble:
    """The stack of members: networks, optimizers, data and random streams on one device."""

    def __init__(
        self,
        members: Sequence[Member],
        network: Network,
        images: TrainingImages,
        ranks: Ranks = ALONE,
        arenas: Arenas | None = None,
    ) -> None:
        """Members whose settings agree in all that a stack shares (`train.py` groups them).

        `arenas` is the memory of other stacks that train in turn with this one.
        """
        self.members, self.network, self.images, self.ranks = list(members), network, images, ranks
        self.device, self.arenas = images.device, arenas or Arenas()
        self.settings = self.members[0].settings  # for what all members share
        self.objective = self.settings.objective
        self.loss = LOSSES[self.objective.loss]
        self.steps = 0  # that this object has done
        self.measures_gradients = False  # costs a pass over all gradients
        addresses = [member.address for member in members]
        self.noise = NoiseStream(addresses, self.device, ranks)
        self.latents = LatentStream(addresses, network, self.settings.batch_size, self.device)
        self.generator_latents = self._latents_of_its_own(addresses)
        self.shuffle = ShuffleStream(addresses, images.count, self.settings.batch_size, images.pixels.device)
        with large_blocks_mapped():  # what stays, apart from what comes and goes
            self._make_networks(addresses)
        self._make_columns()
        self.rates_block, self.rates_table = -1, torch.empty(0)  # (RATES_BLOCK_STEPS, updates + 1, 2, M)
        self.replayed = self._replayed()

    # -----------------------------------------------------------------------------------------------------------------
    # Making

    def _latents_of_its_own(self, addresses: Sequence[MemberAddress]) -> LatentStream | None:
        """What the generator's update draws from, where that is not the discriminator's latents."""
        batch_size = self.objective.generator_batch_size
        if not batch_size:
            return None
        return LatentStream(addresses, self.network, batch_size, self.device, Purpose.GENERATOR_LATENTS)

    def _make_networks(self, addresses: Sequence[MemberAddress]) -> None:
        self.generator = self.network.generator(len(self.members))
        self.discriminator = self.network.discriminator(len(self.members))
        if self.objective.spectral_norm:
            apply_spectral_norm(self.discriminator)
        self.generator.initialise([address.stream(Purpose.GENERATOR_WEIGHTS) for address in addresses])
        self.discriminator.initialise([address.stream(Purpose.DISCRIMINATOR_WEIGHTS) for address in addresses])
        for network in (self.generator, self.discriminator):
            network.to(self.device).train()
            self.ranks.join(network)
            for module in network.modules():
                if isinstance(module, Dropout):
                    module.set_rates([member.settings.dropout or 0.0 for member in self.members])
                    module.noise = self.noise
        self.generator_weights = self.generator.flatten()  # (M, P), as the discriminator's
        self.discriminator_weights = self.discriminator.flatten()
        self.generator_parameters = list(self.generator.parameters())
        self.discriminator_parameters = list(self.discriminator.parameters())
        self.generator_optimizer = StackedOptimizer(
            self.generator_weights, self.generator_parameters, [each.settings.generator for each in self.members]
        )
        self.discriminator_optimizer = StackedOptimizer(
            self.discriminator_weights,
            self.discriminator_parameters,
            [each.settings.discriminator for each in self.members],
        )
        self.generator_average = None if self.settings.ema_decay is None else self.generator_weights.clone()

    def _make_columns(self) -> None:
        """The numbers that may differ from member to member, as tensors."""
        self.real_label = self._column(lambda each: each.objective.real_label)
        self.label_flip = self._column(lambda each: each.objective.label_flip)
        self.instance_noise = self._column(lambda each: each.objective.instance_noise)[:, :, None, None, None]
        self.gradient_penalty = self._column(lambda each: each.objective.gradient_penalty).squeeze(1)
        self.r1 = self._column(lambda each: each.objective.r1).squeeze(1)
        self.weight_clip = self._column(lambda each: each.objective.weight_clip or 0.0)
        self.average_share = self._column(lambda each: 1.0 - (each.ema_decay or 0.0))

    def _column(self, value: Callable[[TrainingSettings], float]) -> Tensor:
        """(M, 1)"""
        return torch.tensor([[value(member.settings)] for member in self.members], device=self.device)

    def _replayed(self) -> GraphedStep | RecordedStep | None:
        """How steps are repeated without Python, where they can be."""
        if self.device.type == "cuda":
            return GraphedStep()
        gains = not any(has_convolutions(each) for each in (self.generator, self.discriminator))  # docs/log.md
        return RecordedStep(self.arenas) if self.ranks.count == 1 and gains else None

    @property
    def stacks(self) -> Sequence[Ensemble]:
        """The batched models that make it up, in the order of their members."""
        return [self]

    # -----------------------------------------------------------------------------------------------------------------
    # A step

    def step(self, step: int, *, measure_gradients: bool = False) -> StepOutputs:
        """Train every member one step; `step` counts from 0 and is the address of its images, latents and noise.

        The outputs may be overwritten by the next step. On CUDA gradients are always measured.
        """
        inputs = self.inputs_at(step)
        on_cuda = self.device.type == "cuda"
        self.measures_gradients = measure_gradients or on_cuda
        replayed = None if measure_gradients and not on_cuda else self.replayed
        self.steps += 1
        rare = self.steps <= SETTLING_STEPS or (replayed is None and self.replayed is not None)
        with large_blocks_mapped() if rare else nullcontext():
            return self._compute(inputs) if replayed is None else replayed.run(self._compute, inputs)

    @property
    def discriminator_updates(self) -> int:
        """The discriminator's updates a step."""
        return self.objective.n_critic * (2 if self.objective.discriminator_update == "separate" else 1)

    def inputs_at(self, step: int) -> StepInputs:
        """Everything the step needs, drawn or looked up by address."""
        rounds = range(step * self.objective.n_critic, (step + 1) * self.objective.n_critic)
        self.noise.begin(step)
        return StepInputs(
            tuple(self.images.stage(self.ranks.rows(self.shuffle.at(each))) for each in rounds),
            tuple(self.ranks.rows(self.latents.at(each)) for each in rounds),
            None if self.generator_latents is None else self.ranks.rows(self.generator_latents.at(step)),
            self._noise_scale(step),
            self._rates(step),
        )

    def _rates(self, step: int) -> Tensor:
        """Of the discriminator's updates in a step, and last of the generator's (updates + 1, 2, M)."""
        block, offset = divmod(step, RATES_BLOCK_STEPS)
        if block != self.rates_block:
            table = [self._rates_at(block * RATES_BLOCK_STEPS + each) for each in range(RATES_BLOCK_STEPS)]
            dtype = self.generator_optimizer.rates_dtype
            self.rates_block, self.rates_table = block, torch.tensor(table, dtype=dtype, device=self.device)
        return self.rates_table[offset]

    def _rates_at(self, step: int) -> list[Rates]:
        updates = self.discriminator_updates
        of_discriminator = [self.discriminator_optimizer.rates(step * updates + each) for each in range(updates)]
        return [*of_discriminator, self.generator_optimizer.rates(step)]

    def _noise_scale(self, step: int) -> Tensor | None:
        if self.objective.instance_noise == 0:
            return None
        return noise_scale(self.instance_noise, self.objective.instance_noise_steps, step)

    def _compute(self, inputs: StepInputs) -> StepOutputs:
        *of_discriminator, of_generator = inputs.rates.unbind()
        rates = iter(of_discriminator)
        last = self.objective.n_critic - 1 if self._trains_on_shared_images() else None
        for each, (staged, latents) in enumerate(zip(inputs.images, inputs.latents, strict=True)):
            with torch.set_grad_enabled(each == last):
                generated = self._draw_for_discriminator(latents)
            images = _Images(self._real_images(staged), generated.detach(), inputs.instance_noise)
            judged = self._train_discriminator(images, rates)
        if last is None:
            own = inputs.generator_latents
            generated = self.generate(inputs.latents[-1] if own is None else own)
        generator_logits, generator_norm = self._train_generator(generated, inputs.instance_noise, of_generator)
        return StepOutputs(
            torch.cat([judged.real_logits, judged.generated_logits, generator_logits], dim=1),
            None if judged.penalty is None else judged.penalty.detach(),
            _stack(judged.gradient_norm, generator_norm),
        )

    def _trains_on_shared_images(self) -> bool:
        """Whether the generator is trained on the very images the discriminator last saw."""
        return self.generator_latents is None and self.objective.generated_in == "training"

    def _draw_for_discriminator(self, latents: Tensor) -> Tensor:
        if self.objective.generated_in == "training":
            return self.generate(latents)
        self.generator.eval()
        images = self.generate(latents)
        self.generator.train()
        return images

    def _real_images(self, staged: Tensor) -> Tensor:
        pixels = self.images.batch(staged)
        return pixels if pixels.is_floating_point() else to_network(pixels, self.network.value_range)

    def generate(self, latents: Tensor) -> Tensor:
        """Latents (M, B, Z) → images (M, B, C, H, W) float32."""
        with self._precision():
            images: Tensor = self.generator(latents)
        return images.float()

    def generate_scored(self, latents: Tensor) -> Tensor:
        """The same with the weights that samples are drawn with: the running average where one is kept.

        Batch statistics stay those of the network that trains.
        """
        if self.generator_average is None:
            return self.generate(latents)
        parts = self.generator.named_parts(self.generator_average)
        with self._precision():
            images: Tensor = functional_call(self.generator, parts, (latents,))
        return images.float()

    def judge(self, images: Tensor) -> Tensor:
        """Images (M, B, C, H, W) → logits (M, B) float32."""
        with self._precision():
            logits: Tensor = self.discriminator(images)
        return logits.float()

    def _precision(self) -> AbstractContextManager[object]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    # -----------------------------------------------------------------------------------------------------------------
    # The discriminator

    def _train_discriminator(self, images: _Images, rates: Iterator[Tensor]) -> _Judged:
        if self.objective.discriminator_update == "separate":
            real = self._update_on_real(images, next(rates))
            generated = self._update_on_generated(images, next(rates))
            penalty = _sum(real.penalty, generated.penalty)
            return _Judged(real.logits, generated.logits, penalty, generated.gradient_norm)
        return self._update_on_both(images, next(rates))

    def _update_on_real(self, images: _Images, rates: Tensor) -> _Update:
        logits = self.judge(self._noised(images.real, images.noise))
        values, penalty = logits.detach(), self._r1(images.real)
        norm = self._update_discriminator([logits], [self._slopes_on_real(values)], penalty, rates)
        return _Update(values, penalty, norm)

    def _update_on_generated(self, images: _Images, rates: Tensor) -> _Update:
        logits = self.judge(self._noised(images.generated, images.noise))
        values, penalty = logits.detach(), self._gradient_penalty(images)
        norm = self._update_discriminator([logits], [self._slopes_on_generated(values)], penalty, rates)
        return _Update(values, penalty, norm)

    def _update_on_both(self, images: _Images, rates: Tensor) -> _Judged:
        real, generated = self._noised(images.real, images.noise), self._noised(images.generated, images.noise)
        if self.objective.discriminator_update == "mixed":
            self.noise.batches = 2
            real_logits, generated_logits = self.judge(torch.cat([real, generated], dim=1)).chunk(2, dim=1)
            self.noise.batches = 1
            weight = 0.5  # the mean over the whole batch
        else:
            real_logits, generated_logits, weight = self.judge(real), self.judge(generated), 1.0
        real_values, generated_values = real_logits.detach(), generated_logits.detach()
        slopes = [weight * self._slopes_on_real(real_values), weight * self._slopes_on_generated(generated_values)]
        penalty = _sum(self._r1(images.real), self._gradient_penalty(images))
        norm = self._update_discriminator([real_logits, generated_logits], slopes, penalty, rates)
        return _Judged(real_values, generated_values, penalty, norm)

    def _slopes_on_real(self, logits: Tensor) -> Tensor:
        own = self.loss.slope_on_real(logits, self.real_label)
        flips = self._flips(logits)
        return own if flips is None else flipped(own, self.loss.slope_on_generated(logits), flips)

    def _slopes_on_generated(self, logits: Tensor) -> Tensor:
        own = self.loss.slope_on_generated(logits)
        flips = self._flips(logits)
        return own if flips is None else flipped(own, self.loss.slope_on_real(logits, self.real_label), flips)

    def _flips(self, logits: Tensor) -> Tensor | None:
        if self.objective.label_flip == 0:
            return None
        return (self.noise.uniform(tuple(logits.shape[1:])) < self.label_flip).float()

    def _noised(self, images: Tensor, scale: Tensor | None) -> Tensor:
        return images if scale is None else images + scale * self.noise.normal(tuple(images.shape[1:]))

    def _r1(self, real: Tensor) -> Tensor | None:
        return self.r1 * r1_penalty(self.discriminator, real) if self.objective.r1 else None

    def _gradient_penalty(self, images: _Images) -> Tensor | None:
        if not self.objective.gradient_penalty:
            return None
        positions = self.noise.uniform((images.real.shape[1],))
        return self.gradient_penalty * gradient_penalty(self.discriminator, images.real, images.generated, positions)

    def _update_discriminator(
        self, logits: list[Tensor], slopes: list[Tensor], penalty: Tensor | None, rates: Tensor
    ) -> Tensor | None:
        """Logits, the losses' slopes there (M, B) each, and penalties (M,) → the norm of each member's gradient."""
        outputs, seeds = list(logits), [each * (1.0 / each.shape[1]) for each in slopes]
        if penalty is not None:
            outputs.append(penalty)
            seeds.append(torch.ones_like(penalty))
        norm = self._update(outputs, seeds, self.discriminator_parameters, self.discriminator_optimizer, rates)
        if self.objective.weight_clip is not None:
            self.discriminator_weights.clamp_(-self.weight_clip, self.weight_clip)
        return norm

    # -----------------------------------------------------------------------------------------------------------------
    # The generator

    def _train_generator(self, generated: Tensor, noise: Tensor | None, rates: Tensor) -> tuple[Tensor, Tensor | None]:
        """Generated images with their graph. The discriminator judges and keeps its weights."""
        logits = self.judge(self._noised(generated, noise))
        values = logits.detach()
        slopes = self.loss.slope_for_generator(values) * (1.0 / logits.shape[1])
        norm = self._update([logits], [slopes], self.generator_parameters, self.generator_optimizer, rates)
        if self.generator_average is not None:
            self.generator_average.lerp_(self.generator_weights, self.average_share)
        return values, norm

    def _update(
        self,
        outputs: list[Tensor],
        seeds: list[Tensor],
        parameters: list[Parameter],
        optimizer: StackedOptimizer,
        rates: Tensor,
    ) -> Tensor | None:
        """Outputs and the loss's derivatives by them → one update; the norms of the gradients, where asked for."""
        gradients = torch.autograd.grad(outputs, parameters, seeds)
        self.ranks.average_(gradients)
        norm = gradient_norms(gradients) if self.measures_gradients else None
        unrecorded(optimizer.update, gradients, rates)
        return norm

    # -----------------------------------------------------------------------------------------------------------------
    # State

    def networks(self, rows: slice) -> dict[str, Tensor]:
        """The weights, batch statistics and average of some neighbouring members, each (m, …), not copied."""
        found = {f"generator.{name}": value[rows] for name, value in self.generator.state_dict().items()}
        found |= {f"discriminator.{name}": value[rows] for name, value in self.discriminator.state_dict().items()}
        if self.generator_average is not None:
            found["generator_average"] = self.generator_average[rows]
        return found

    def copy_networks(self, into: Mapping[str, Tensor]) -> None:
        """Copy what `networks` gives of all members into tensors (M, …) of the same names."""
        for name, value in self.networks(slice(0, len(self.members))).items():
            into[name].copy_(value)

    def state(self, rows: slice) -> dict[str, Tensor]:
        """All that decides how some neighbouring members of one partition go on, each (m, …), not copied.

        Images, latents and noise are not in it: they have addresses.
        """
        of_generator, of_discriminator = self.generator_optimizer.state(rows), self.discriminator_optimizer.state(rows)
        return {
            **self.networks(rows),
            **{f"generator_optimizer.{name}": value for name, value in of_generator.items()},
            **{f"discriminator_optimizer.{name}": value for name, value in of_discriminator.items()},
        }

    def finite_members(self) -> list[bool]:
        """Which members have only finite weights, in both networks."""
        finite = torch.isfinite(self.generator_weights).all(dim=1) & torch.isfinite(self.discriminator_weights).all(1)
        return [bool(value) for value in finite.tolist()]

    def load(self, rows: slice, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state` or `networks`, in place; names and shapes must agree exactly."""
        own = self.state(rows)
        own = own if set(own) == set(state) else self.networks(rows)
        if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in state.items()}:
            raise ValueError(f"found a state of {sorted(state)}, expected {sorted(own)} of the same shapes")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])

    def without(self, leaving: Sequence[int]) -> Ensemble:
        """A stack of the other members, which go on as if nothing had happened."""
        staying = [at for at in range(len(self.members)) if at not in leaving]
        members = [self.members[at] for at in staying]
        smaller = Ensemble(members, self.network, self.images, self.ranks, self.arenas)
        for new, old in enumerate(staying):
            smaller.load(slice(new, new + 1), self.state(slice(old, old + 1)))
        return smaller

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Meanwhile networks neither drop out nor follow batch statistics, and nothing is recorded for gradients."""
        self.generator.eval()
        self.discriminator.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.generator.train()
            self.discriminator.train()


@dataclass(frozen=True)
class _Images:
    """What the discriminator is trained on in one round."""

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
class _Judged:
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
    """Gradients (M, …) of all parameters → each member's Euclidean norm (M,)."""
    of_parameters = torch.stack([torch.linalg.vector_norm(each.flatten(1), dim=1) for each in gradients])
    norms: Tensor = torch.linalg.vector_norm(of_parameters, dim=0)
    return norms
