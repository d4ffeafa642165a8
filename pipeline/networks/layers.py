"""Fully connected layers with a leading member dimension, and the sigmoid function.

The classes that every layer builds on are in `stacked.py`. Initialisation: Glorot & Bengio 2010, as Keras' Dense.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.networks.stacked import Layer


class FullyConnected(Layer):
    """The weights and biases of both kinds of fully connected layer, and their initialisation."""

    bias: nn.Parameter

    def __init__(self, std: float | None) -> None:
        """Initial weights come from N(0, std), or are Glorot-uniform if `std` is None."""
        super().__init__()
        self.std = std

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set Glorot-uniform or normal weights and zero biases."""
        nn.init.zeros_(self.bias)
        self.initialise_weight(streams, sum(self.weight.shape[1:]), self.std)


class Dense(FullyConnected):
    """M fully connected layers side by side: (M, B, I) → (M, B, O), O at least 2."""

    OUTPUT_DIM = 2

    def __init__(self, members: int, inputs: int, outputs: int, *, std: float | None = None) -> None:
        super().__init__(std)
        if outputs == 1:
            raise ValueError("Dense: found 1 output, expected at least 2; use LogitLayer for one output")
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))  # (M, I, O)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))  # (M, 1, O)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I) → (M, B, O), each member's numbers bit-identical to its own alone (MKL; decision 0005)."""
        weight = self.effective_weight()
        if inputs.shape[1] == 1 and not inputs.is_cuda:  # MKL rounds one row differently for one member and for many
            return (inputs.transpose(1, 2) * weight).sum(dim=1, keepdim=True) + self.bias
        return torch.baddbmm(self.bias, inputs, weight)


class LogitLayer(FullyConnected):
    """M fully connected layers of one output each, a logit: (M, B, I) → (M, B).

    It computes no matrix product: with one column it rounds differently for one member and for many (decision 0005).
    """

    OUTPUT_DIM = 1

    def __init__(self, members: int, inputs: int, *, std: float | None = None) -> None:
        super().__init__(std)
        self.weight = nn.Parameter(torch.zeros(members, 1, inputs))  # (M, 1, I)
        self.bias = nn.Parameter(torch.zeros(members, 1))  # (M, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I) → (M, B)."""
        return (inputs * self.effective_weight()).sum(dim=2) + self.bias


def sigmoid(inputs: Tensor) -> Tensor:
    """Return σ(x), computed as (1 + tanh(x / 2)) / 2; the error is at most 1e-7.

    On a CPU the last bit of `torch.sigmoid` depends on a value's position in the tensor; that of tanh does not
    (decision 0005).
    """
    return torch.tanh(inputs * 0.5) * 0.5 + 0.5
