"""Ranks: the processes that train one model together, each on its share of every batch (data-parallel training).

With `torchrun` each process reads its rank from the environment. Every rank generates the random numbers of the whole
batch and keeps its rows. Gradients and batch statistics are averaged over ranks, so a step equals that of one process
up to rounding. Li et al. 2020, arXiv 2006.15704. Networks, losses and optimizers do not depend on ranks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Stacked

PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Ranks:
    """The number of one process among the processes that train together."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """True for the process that writes files and logs."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """Return the number of a batch's images that each rank trains on."""
        if batch_size % self.count:
            raise ValueError(
                f"found batch size {batch_size} for {self.count} processes, expected a multiple of {self.count}; "
                "choose another number of processes"
            )
        return batch_size // self.count

    def rows(self, whole: Tensor, dim: int = 1) -> Tensor:
        """Return this rank's part of a whole batch."""
        if self.count == 1:
            return whole
        share = self.share(whole.shape[dim])
        return whole.narrow(dim, self.rank * share, share)

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors over ranks, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)
                tensor.div_(self.count)

    def average(self, tensor: Tensor) -> Tensor:
        """Return the average of a tensor over ranks; the tensor does not change."""
        if self.count == 1:
            return tensor
        averaged = tensor.clone()
        self.average_([averaged])
        return averaged

    def wait(self) -> None:
        """Wait until every rank has called this."""
        if self.count > 1:
            dist.barrier()

    def join(self, network: Stacked) -> None:
        """Make the network compute its batch statistics over the whole batch."""
        if self.count > 1:
            for module in network.modules():
                if isinstance(module, BatchNorm):
                    module.across_ranks, module.ranks = _Average.apply, self.count


class _Average(torch.autograd.Function):
    """The mean over ranks; its gradient is the mean of the gradients, since every rank's loss is a mean of its own."""

    @staticmethod
    def forward(_context: object, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total.div_(dist.get_world_size())

    @staticmethod
    @once_differentiable  # a gradient penalty through shared batch statistics raises instead of being wrong
    def backward(_context: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total.div_(dist.get_world_size())


ALONE = Ranks()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the ranks that `torchrun` started, or none; NCCL connects GPUs, Gloo CPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    _end_with_parent()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


def _end_with_parent() -> None:
    """On Linux, let this process get SIGTERM when `torchrun` ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
