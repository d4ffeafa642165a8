"""Ensemble: all members of a sweep, in one or more stacks that train one after another inside each step.

A GPU gets one stack. On a CPU every member of a convolutional network is a stack of its own, because the activations of
all members together leave the cache. A step of 24 stacked members took 1.4 times 24 single steps (docs/log.md). Dense
members gain little beyond eight per stack, but each further one would take memory for its gradients and activations.
Stacks that train in turn share that memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from pipeline.networks import Network
from pipeline.networks.convolution import has_convolutions
from pipeline.training.engine.member import Member
from pipeline.training.engine.ranks import ALONE, Ranks
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.memory_plan import MemoryPlan
from pipeline.training.replay.step import StepInputs, StepOutputs

DENSE_STACK = 8  # about so many members; all of 24 at once are 5 % faster (docs/log.md)


def stack_sizes(members: int, network: Network, device: torch.device) -> list[int]:
    """Return the number of neighbouring members in each stack: all on a GPU, nearly equal numbers on a CPU."""
    if device.type != "cpu":
        return [members]
    with torch.device("meta"):  # layers without memory, only to look at
        networks = network.generator(1), network.discriminator(1)
    convolves = any(has_convolutions(stacked) for stacked in networks)
    stacks = members if convolves else max(1, round(members / DENSE_STACK))
    return [members // stacks + (number < members % stacks) for number in range(stacks)]


class Ensemble:
    """All members, in stacks; tensors (M, …) hold the members of all stacks in order."""

    def __init__(
        self, members: Sequence[Member], network: Network, images: TrainingImages, ranks: Ranks = ALONE
    ) -> None:
        """Stack members with equal shared settings in the numbers of `stack_sizes`."""
        self.members, self.network, self.images, self.ranks = list(members), network, images, ranks
        self.device, self.settings = images.device, self.members[0].settings  # for the fields that all members share
        memory_plan, unstacked = MemoryPlan(), iter(self.members)
        self.stacks = tuple(
            Stack([next(unstacked) for _ in range(size)], network, images, ranks, memory_plan)
            for size in stack_sizes(len(self.members), network, self.device)
        )
        self.loss = self.stacks[0].training.objective.loss
        self.real_label = _joined([stack.training.objective.real_label for stack in self.stacks])  # (M, 1)

    # -----------------------------------------------------------------------------------------------------------------
    # Training

    def step(self, step: int, *, measure_gradients: bool = False) -> StepOutputs:
        """Train every member one step, as `Stack.step` does."""
        outputs = [stack.step(step, measure_gradients=measure_gradients) for stack in self.stacks]
        penalties = [stack.penalty for stack in outputs if stack.penalty is not None]
        norms = [stack.gradient_norms for stack in outputs if stack.gradient_norms is not None]
        return StepOutputs(
            _joined([stack.logits for stack in outputs]),
            _joined(penalties) if penalties else None,
            _joined(norms, dim=1) if norms else None,
        )

    def inputs_at(self, step: int) -> list[StepInputs]:
        """Return everything that a step needs, one value per stack."""
        return [stack.inputs_at(step) for stack in self.stacks]

    # -----------------------------------------------------------------------------------------------------------------
    # Forward passes

    def generate(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, Z) to images (M, B, C, H, W) float32."""
        return _joined([stack.networks.generate(rows) for stack, rows in self._split(latents)])

    def generate_scored(self, latents: Tensor) -> Tensor:
        """Generate with the weights that samples use, as `NetworkPair.generate_scored` does."""
        return _joined([stack.networks.generate_scored(rows) for stack, rows in self._split(latents)])

    def discriminate(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) to logits (M, B) float32."""
        return _joined([stack.networks.discriminate(rows) for stack, rows in self._split(images)])

    @contextmanager
    def eval_mode(self) -> Iterator[None]:
        """Switch off dropout, batch statistics of the current batch, and gradients inside this context."""
        with ExitStack() as contexts:
            for stack in self.stacks:
                contexts.enter_context(stack.networks.eval_mode())
            yield

    def _split(self, rows: Tensor) -> Iterator[tuple[Stack, Tensor]]:
        """Yield each stack with its part of a tensor (M, …)."""
        parts = torch.split(rows, [len(stack.members) for stack in self.stacks])
        return zip(self.stacks, parts, strict=True)

    # -----------------------------------------------------------------------------------------------------------------
    # State

    def network_state(self, member: int) -> dict[str, Tensor]:
        """Return views of one member's weights, batch statistics and average, each (1, …)."""
        stack, row = self._find(member)
        return stack.networks.state(row)

    def copy_network_states(self, into: Mapping[str, Tensor]) -> None:
        """Copy the `network_state` of all members into tensors (M, …) of the same names."""
        start = 0
        for stack in self.stacks:  # one at a time: joined tensors of all stacks would be a second copy
            stop = start + len(stack.members)
            for name, value in stack.networks.state(slice(0, len(stack.members))).items():
                into[name][start:stop].copy_(value)
            start = stop

    def state(self, member: int) -> dict[str, Tensor]:
        """Return views of all tensors that decide how one member continues, each (1, …)."""
        stack, row = self._find(member)
        return stack.state(row)

    def load(self, member: int, state: Mapping[str, Tensor]) -> None:
        """Copy a `state` or `network_state` into one member."""
        stack, row = self._find(member)
        stack.load(row, state)

    def finite_members(self) -> list[bool]:
        """Return for each member if all weights of both networks are finite."""
        return [finite for stack in self.stacks for finite in stack.networks.finite_members()]

    def without(self, leaving: Sequence[int]) -> Ensemble:
        """Return an ensemble of the other members, which continue with the same bits.

        Its stacks have the sizes that a resumed run of these members has.
        """
        staying = [number for number in range(len(self.members)) if number not in leaving]
        smaller = Ensemble([self.members[number] for number in staying], self.network, self.images, self.ranks)
        for new, old in enumerate(staying):
            smaller.load(new, self.state(old))
        return smaller

    def _find(self, member: int) -> tuple[Stack, slice]:
        """Return a member's stack and its row there."""
        row = member
        for stack in self.stacks:
            if row < len(stack.members):
                return stack, slice(row, row + 1)
            row -= len(stack.members)
        raise IndexError(f"found member {member} of {len(self.members)}, expected a smaller number")


def _joined(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Concatenate the stacks' tensors; one stack's tensor is not copied."""
    return torch.cat(list(parts), dim=dim) if len(parts) > 1 else parts[0]
