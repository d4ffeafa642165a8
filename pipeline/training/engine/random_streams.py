"""Streams: where every random number of training comes from, by address instead of by history.

A number's address is (seed, member, purpose, block): the same whatever is trained beside it, whatever the
configuration, and wherever training starts again. Members with the same seed and index therefore see the same initial
weights, latents and order of images under every configuration: comparisons between configurations are paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from pipeline.networks import Network
from pipeline.networks.latents import random_latents
from pipeline.training.engine.ranks import ALONE, Ranks

LATENT_BLOCK_STEPS = 16  # the latents of so many steps lie in one stream: few streams to begin, few to skip


class Purpose(IntEnum):
    """What random numbers are for; each purpose has streams of its own."""

    GENERATOR_WEIGHTS = 0
    DISCRIMINATOR_WEIGHTS = 1
    LATENTS = 2
    SHUFFLE = 3
    EVALUATION = 4
    SNAPSHOT = 5
    NOISE = 6
    GENERATOR_LATENTS = 7
    SCORED_IMAGES = 8


@dataclass(frozen=True)
class MemberAddress:
    """A member's part of every address."""

    seed: int
    member: int

    def stream(self, purpose: Purpose, block: int = 0, device: torch.device | None = None) -> torch.Generator:
        """The random stream of one purpose and block."""
        state = np.random.SeedSequence((self.seed, self.member, purpose, block)).generate_state(1, np.uint64)
        return torch.Generator(device or torch.device("cpu")).manual_seed(int(state[0] >> np.uint64(1)))


class LatentStream:
    """The latents of every training step: step → (M, B, Z).

    A GPU draws a block at once, since each call costs a launch; a CPU step by step, since a block of every member is
    memory that a sweep takes and the cache loses.
    """

    def __init__(
        self,
        members: Sequence[MemberAddress],
        network: Network,
        batch_size: int,
        device: torch.device,
        purpose: Purpose = Purpose.LATENTS,
    ) -> None:
        self.members, self.network, self.batch_size, self.device = members, network, batch_size, device
        self.purpose = purpose
        self.steps_at_once = 1 if device.type == "cpu" else LATENT_BLOCK_STEPS
        self.drawn = torch.empty(0)  # (M, steps_at_once, B, Z)
        self.block, self.following = -1, 0  # of the block's steps, the first that is not drawn yet
        self.streams: list[torch.Generator] = []

    def at(self, step: int) -> Tensor:
        """The latents of a step (from 0)."""
        block, offset = divmod(step, LATENT_BLOCK_STEPS)
        if block != self.block or offset < self.following - self.steps_at_once:
            self.block, self.following = block, 0
            self.streams = [member.stream(self.purpose, block, self.device) for member in self.members]
        while offset >= self.following:
            self.drawn = torch.stack([self._draw(stream) for stream in self.streams])
            self.following += self.steps_at_once
        return self.drawn[:, offset % self.steps_at_once]

    def _draw(self, stream: torch.Generator) -> Tensor:
        shape = (self.steps_at_once, self.batch_size, self.network.latent_size)
        return random_latents(self.network.latent_distribution, shape, stream)


class ShuffleStream:
    """The images of every training step: step → indices (M, B). Each epoch is a fresh shuffle of all images.

    An epoch is the whole number of batches that fit; the few images left over differ from epoch to epoch.
    """

    def __init__(
        self, members: Sequence[MemberAddress], image_count: int, batch_size: int, device: torch.device
    ) -> None:
        if image_count < batch_size:
            raise ValueError(f"found {image_count} training images, expected at least one batch of {batch_size}")
        self.members, self.image_count, self.batch_size, self.device = members, image_count, batch_size, device
        self.steps_per_epoch = image_count // batch_size
        self.epoch = -1
        self.order = torch.empty(0, dtype=torch.int32)  # (M, image_count)

    def at(self, step: int) -> Tensor:
        """The image indices of a step (from 0)."""
        epoch, offset = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = torch.empty(0, dtype=torch.int32)  # the last epoch's goes first
            self.order = self._shuffled(epoch)
        return self.order[:, offset * self.batch_size : (offset + 1) * self.batch_size]

    def _shuffled(self, epoch: int) -> Tensor:
        """(M, image_count) int32: half the memory of what is drawn."""
        order = torch.empty(len(self.members), self.image_count, dtype=torch.int32, device=self.device)
        for own, member in zip(order, self.members, strict=True):
            own.copy_(torch.randperm(self.image_count, generator=member.stream(Purpose.SHUFFLE, epoch)))
        return order


class NoiseStream:
    """Every other random number of a step: dropout, instance noise, label flips, positions of the gradient penalty.

    A step asks for its numbers in an order that the settings fix. The first step makes a buffer for each request; from
    then on `begin` fills them all, so that the step itself draws nothing and can be captured as a CUDA graph.
    """

    def __init__(self, members: Sequence[MemberAddress], device: torch.device, ranks: Ranks = ALONE) -> None:
        self.members, self.device, self.ranks = members, device, ranks
        self.buffers: list[_Buffer] = []
        self.batches = 1  # how many batches lie behind one another in what is asked for
        self.step = 0
        self.streams: list[torch.Generator] = []
        self.asked = 0

    def begin(self, step: int) -> None:
        """Draw what the steps before have asked for, at this step's address."""
        self.step, self.streams, self.asked = step, [], 0
        for buffer in self.buffers:
            self._fill(buffer)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """(M, *shape) uniform in [0, 1); the first dimension of `shape` is this rank's part of the batch."""
        return self._next(shape, normal=False)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """(M, *shape) from N(0, 1), as `uniform`."""
        return self._next(shape, normal=True)

    def _next(self, shape: tuple[int, ...], *, normal: bool) -> Tensor:
        if self.asked == len(self.buffers):
            numbers = torch.empty((len(self.members), *shape), device=self.device)
            self.buffers.append(_Buffer(numbers, normal, self.batches))
            self._fill(self.buffers[-1])
        self.asked += 1
        return self.buffers[self.asked - 1].numbers

    def _fill(self, buffer: _Buffer) -> None:
        if not self.streams:
            self.streams = [member.stream(Purpose.NOISE, self.step, self.device) for member in self.members]
        for row, stream in zip(buffer.numbers, self.streams, strict=True):
            if self.ranks.count == 1:
                buffer.draw(row, stream)
            else:
                whole = row.new_empty(buffer.batches, len(row) // buffer.batches * self.ranks.count, *row.shape[1:])
                buffer.draw(whole, stream)
                row.copy_(self.ranks.rows(whole).flatten(0, 1))


@dataclass(frozen=True)
class _Buffer:
    """The numbers of one request, refilled at every step."""

    numbers: Tensor  # (M, …)
    normal: bool  # instead of uniform
    batches: int

    def draw(self, into: Tensor, stream: torch.Generator) -> None:
        if self.normal:
            into.normal_(generator=stream)
        else:
            into.uniform_(generator=stream)
