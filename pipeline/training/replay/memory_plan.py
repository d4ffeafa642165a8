"""Memory plan: memory for the buffers of recorded steps, from the calls that first and last use each buffer.

Buffers that are never in use at the same time share a block, and stacks that train one after another share all blocks.
One member more then costs the tensors it keeps between steps and its part of one stack's gradients and activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ALIGNMENT_BYTES = 64  # of PyTorch's own allocations; each block is one


@dataclass(frozen=True)
class BufferLifetime:
    """A buffer's size, and the calls that first and last use it."""

    size_bytes: int
    first_call: int
    last_call: int


class MemoryPlan:
    """Blocks of memory, used again by every step that is planned here."""

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []  # uint8

    def assign(self, lifetimes: Sequence[BufferLifetime]) -> list[Tensor]:
        """Return a block for each buffer; no two buffers in use at the same call share one."""
        free = list(range(len(self.blocks)))
        chosen = [0] * len(lifetimes)
        for call in range(max((lifetime.last_call for lifetime in lifetimes), default=-1) + 1):
            for buffer, lifetime in enumerate(lifetimes):
                if lifetime.first_call == call:
                    chosen[buffer] = self._take(free, lifetime.size_bytes)
            free += [chosen[buffer] for buffer, lifetime in enumerate(lifetimes) if lifetime.last_call == call]
        return [self.blocks[block] for block in chosen]

    def _take(self, free: list[int], size_bytes: int) -> int:
        """Take the smallest free block that is large enough, or make one."""
        # A block of more than twice the size is left for larger buffers.
        most = 2 * size_bytes + ALIGNMENT_BYTES
        # Among equal blocks the one freed last comes first: it is still in the cache.
        fitting = [block for block in reversed(free) if size_bytes <= len(self.blocks[block]) <= most]
        if not fitting:
            self.blocks.append(torch.empty(size_bytes, dtype=torch.uint8))
            return len(self.blocks) - 1
        chosen = min(fitting, key=lambda block: len(self.blocks[block]))
        free.remove(chosen)
        return chosen
