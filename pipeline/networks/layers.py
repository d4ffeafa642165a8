"""Layers with a leading member dimension: M independent networks trained as one.

Each member's initial weights come from its own random stream, so that a member is the same alone and in a stack.
Source of the stacking: Ashukha et al. 2018 and others; initialisation: Glorot & Bengio 2010, as Keras' Dense.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stacked(nn.Module):
    """A network of M members whose parameters all have the member dimension first."""

    members: int

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Draw every layer's initial weights, member by member, each from its own stream (CPU generators)."""
        for module in self.modules():
            if isinstance(module, Dense):
                module.draw(streams)

    def flatten(self) -> Tensor:
        """Move all parameters into one tensor (M, P) that they become views of; returns it.

        An optimizer then updates a member's whole network as one row.
        """
        parameters = list(self.parameters())
        flat = torch.cat([parameter.detach().reshape(self.members, -1) for parameter in parameters], dim=1)
        offset = 0
        for parameter in parameters:
            size = parameter[0].numel()
            parameter.data = flat[:, offset : offset + size].view(parameter.shape)
            offset += size
        return flat


class Dense(nn.Module):
    """M fully connected layers side by side: (M, B, I) → (M, B, O)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))  # (M, I, O)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))  # (M, 1, O)

    def draw(self, streams: Sequence[torch.Generator]) -> None:
        """Glorot-uniform weights, zero biases."""
        inputs, outputs = self.weight.shape[1:]
        limit = math.sqrt(6.0 / (inputs + outputs))
        with torch.no_grad():
            self.bias.zero_()
            for weight, stream in zip(self.weight, streams, strict=True):
                weight.copy_(torch.rand(inputs, outputs, generator=stream).mul_(2 * limit).sub_(limit))

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I) → (M, B, O), each member's numbers bit-identical to its own alone (measured, MKL)."""
        if self.weight.shape[2] == 1:  # here a matrix product would round differently for one member and for many
            return (inputs * self.weight.transpose(1, 2)).sum(dim=2, keepdim=True) + self.bias
        return torch.baddbmm(self.bias, inputs, self.weight)
