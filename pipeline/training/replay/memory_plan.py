"""Arenas: the memory of recorded steps, planned from when each buffer is first and last used.

Buffers that never hold anything at the same time share a block, and stacks that train in turn share all blocks: a
member more then costs what it keeps between steps, and its part of one stack's gradients and activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ALIGNMENT_BYTES = 64  # of PyTorch's own allocations; each block is one


@dataclass(frozen=True)
class Life:
    """A buffer's size, and the calls that first and last use it."""

    size_bytes: int
    first_call: int
    last_call: int


class Arenas:
    """Blocks of memory; what is planned later uses the same ones."""

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []  # uint8

    def plan(self, lives: Sequence[Life]) -> list[Tensor]:
        """A block for each buffer; no two of those alive at the same call share one."""
        free = list(range(len(self.blocks)))
        chosen = [0] * len(lives)
        for call in range(max((each.last_call for each in lives), default=-1) + 1):
            for buffer in (at for at, each in enumerate(lives) if each.first_call == call):
                chosen[buffer] = self._take(free, lives[buffer].size_bytes)
            free += [chosen[at] for at, each in enumerate(lives) if each.last_call == call]
        return [self.blocks[each] for each in chosen]

    def _take(self, free: list[int], size_bytes: int) -> int:
        """The smallest block that is large enough, of equal ones the last given back: it is still in the cache."""
        most = 2 * size_bytes + ALIGNMENT_BYTES
        fitting = [block for block in reversed(free) if size_bytes <= len(self.blocks[block]) <= most]
        if not fitting:
            self.blocks.append(torch.empty(size_bytes, dtype=torch.uint8))
            return len(self.blocks) - 1
        chosen = min(fitting, key=lambda block: len(self.blocks[block]))
        free.remove(chosen)
        return chosen
