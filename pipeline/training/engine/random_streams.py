"""Random streams: the source of every random number of training, by address instead of by history.

A number's address is (seed, member, purpose, block). It does not depend on the members trained beside it, on the
configuration, or on the step at which training resumes. Members with the same seed and index therefore see the same
initial weights, latents and order of images under every configuration: comparisons of configurations are paired.
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

LATENT_BLOCK_STEPS = 16  # steps whose latents come from one stream: few streams to begin, few numbers to skip


class Purpose(IntEnum):
    """The uses of random numbers; each purpose has streams of its own."""

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
        """Return the random stream of one purpose and block."""
        state = np.random.SeedSequence((self.seed, self.member, purpose, block)).generate_state(1, np.uint64)
        return torch.Generator(device or torch.device("cpu")).manual_seed(int(state[0] >> np.uint64(1)))


def stacked_latents(network: Network, shape: tuple[int, ...], streams: Sequence[torch.Generator]) -> Tensor:
    """Return latents (M, *shape) of a network's distribution, each member's from its own stream, on their device."""
    return torch.stack([random_latents(network.latent_distribution, shape, stream) for stream in streams])


class LatentStream:
    """The latents of every training step: step → (M, B, Z).

    A GPU generates a block at once, since each call costs a launch. A CPU generates step by step, since blocks of all
    members would take memory and leave the cache.
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
        self.buffer = torch.empty(0)  # (M, steps_at_once, B, Z)
        self.block, self.following = -1, 0  # the first of the block's steps that is not generated yet
        self.streams: list[torch.Generator] = []

    def at(self, step: int) -> Tensor:
        """Return the latents of a step (from 0)."""
        block, offset = divmod(step, LATENT_BLOCK_STEPS)
        if block != self.block or offset < self.following - self.steps_at_once:
            self.block, self.following = block, 0
            self.streams = [member.stream(self.purpose, block, self.device) for member in self.members]
        while offset >= self.following:
            shape = (self.steps_at_once, self.batch_size, self.network.latent_size)
            self.buffer = stacked_latents(self.network, shape, self.streams)
            self.following += self.steps_at_once
        return self.buffer[:, offset % self.steps_at_once]


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
        """Return the image indices of a step (from 0)."""
        epoch, offset = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = torch.empty(0, dtype=torch.int32)  # frees the last epoch's before this one's is made
            self.order = self._shuffled(epoch)
        return self.order[:, offset * self.batch_size : (offset + 1) * self.batch_size]

    def _shuffled(self, epoch: int) -> Tensor:
        """Return (M, image_count) int32: half the memory of the permutations."""
        order = torch.empty(len(self.members), self.image_count, dtype=torch.int32, device=self.device)
        for row, member in zip(order, self.members, strict=True):
            row.copy_(torch.randperm(self.image_count, generator=member.stream(Purpose.SHUFFLE, epoch)))
        return order


class NoiseStream:
    """All other random numbers of a step: dropout, instance noise, label flips, positions of the gradient penalty.

    A step requests its numbers in an order that the settings fix. The first step makes a buffer for each request. From
    then on `begin` fills all buffers, so the step itself uses no generator and can be captured as a CUDA graph.
    """

    def __init__(self, members: Sequence[MemberAddress], device: torch.device, ranks: Ranks = ALONE) -> None:
        self.members, self.device, self.ranks = members, device, ranks
        self.buffers: list[_Buffer] = []
        self.batches = 1  # number of batches behind one another in the requested numbers
        self.step = 0
        self.streams: list[torch.Generator] = []
        self.requests = 0  # of this step so far

    def begin(self, step: int) -> None:
        """Fill the buffers that earlier steps requested, at this step's address."""
        self.step, self.streams, self.requests = step, [], 0
        for buffer in self.buffers:
            self._fill(buffer)

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Return (M, *shape) uniform in [0, 1); the first dimension of `shape` is this rank's part of the batch."""
        return self._next(shape, normal=False)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Return (M, *shape) from N(0, 1), with `shape` as in `uniform`."""
        return self._next(shape, normal=True)

    def _next(self, shape: tuple[int, ...], *, normal: bool) -> Tensor:
        if self.requests == len(self.buffers):
            numbers = torch.empty((len(self.members), *shape), device=self.device)
            self.buffers.append(_Buffer(numbers, normal, self.batches))
            self._fill(self.buffers[-1])
        self.requests += 1
        return self.buffers[self.requests - 1].numbers

    def _fill(self, buffer: _Buffer) -> None:
        if not self.streams:
            self.streams = [member.stream(Purpose.NOISE, self.step, self.device) for member in self.members]
        for row, stream in zip(buffer.numbers, self.streams, strict=True):
            if self.ranks.count == 1:
                buffer.fill(row, stream)
            else:  # every rank fills the whole batch and keeps its part, so that the numbers do not depend on ranks
                batch = row.new_empty(buffer.batches, len(row) // buffer.batches * self.ranks.count, *row.shape[1:])
                buffer.fill(batch, stream)
                row.copy_(self.ranks.rows(batch).flatten(0, 1))


@dataclass(frozen=True)
class _Buffer:
    """The numbers of one request, refilled at every step."""

    numbers: Tensor  # (M, …)
    normal: bool  # N(0, 1) instead of uniform in [0, 1)
    batches: int

    def fill(self, into: Tensor, stream: torch.Generator) -> None:
        """Fill a tensor with this buffer's kind of numbers."""
        if self.normal:
            into.normal_(generator=stream)
        else:
            into.uniform_(generator=stream)
