"""Layers with a leading member dimension: M independent networks trained as one.

Each member's initial weights come from its own random stream, so that a member is the same alone and in a stack.
Source of the stacking: Ashukha et al. 2018 and others; initialisation: Glorot & Bengio 2010, as Keras' Dense.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.networks.normalisation import SpectralNorm

ROW_ALIGNMENT = 16  # float32 numbers in a cache line


class Stacked(nn.Module):
    """A network of M members whose parameters all have the member dimension first."""

    members: int

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Draw every layer's initial weights, member by member, each from its own stream (CPU generators)."""
        for module in self.modules():
            if isinstance(module, Layer):
                module.draw(streams)

    def flatten(self) -> Tensor:
        """Move all parameters into one tensor (M, P) that they become views of; returns it.

        An optimizer then updates a member's whole network as one row. Rows are padded with zeros to whole cache lines:
        vectorised arithmetic then treats a member's numbers the same wherever its row lies.
        """
        parameters = list(self.parameters())
        sizes = [parameter[0].numel() for parameter in parameters]
        padding = -sum(sizes) % ROW_ALIGNMENT
        flat = parameters[0].new_zeros(self.members, sum(sizes) + padding)
        offset = 0
        for parameter, size in zip(parameters, sizes, strict=True):
            view = flat[:, offset : offset + size].view(parameter.shape)
            parameter.data = view.copy_(parameter.detach())
            offset += size
        return flat

    def named_parts(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows (m, P) of `flatten`'s form → views of them under the parameters' names, each (m, …)."""
        parts: dict[str, Tensor] = {}
        offset = 0
        for name, parameter in self.named_parameters():
            size = parameter[0].numel()
            parts[name] = rows[:, offset : offset + size].view(-1, *parameter.shape[1:])
            offset += size
        return parts


class Layer(nn.Module):
    """M layers side by side, with weights to draw and, where asked for, a spectral norm."""

    OUTPUT_DIM: int  # the dimension of `weight` (M, …) that counts the layer's outputs
    weight: nn.Parameter
    spectral_norm: SpectralNorm | None

    def __init__(self) -> None:
        super().__init__()
        self.spectral_norm = None

    def draw(self, streams: Sequence[torch.Generator]) -> None:
        """Draw the initial weights in place, member by member, each from its own stream (a CPU generator)."""
        raise NotImplementedError

    def draw_weight(self, streams: Sequence[torch.Generator], fans: int, std: float | None) -> None:
        """Draw `weight` from N(0, std), or Glorot-uniform (`fans`: inputs plus outputs of a layer) where it is None."""
        shape, limit = self.weight.shape[1:], math.sqrt(6.0 / fans)
        with torch.no_grad():
            for weight, stream in zip(self.weight, streams, strict=True):
                if std is None:
                    weight.copy_(torch.rand(shape, generator=stream).mul_(2 * limit).sub_(limit))
                else:
                    weight.copy_(torch.randn(shape, generator=stream).mul_(std))

    def effective_weight(self) -> Tensor:
        """The weight that the layer applies: its own, or that divided by its spectral norm."""
        if self.spectral_norm is None:
            return self.weight
        return self.spectral_norm.normalise(self.weight, training=self.training)


class FullyConnected(Layer):
    """What both kinds of fully connected layer share: weights, biases and their initialisation."""

    bias: nn.Parameter

    def __init__(self, std: float | None) -> None:
        """`std` draws the weights from N(0, std); None means Glorot-uniform."""
        super().__init__()
        self.std = std

    def draw(self, streams: Sequence[torch.Generator]) -> None:
        """Glorot-uniform or normal weights, zero biases."""
        nn.init.zeros_(self.bias)
        self.draw_weight(streams, sum(self.weight.shape[1:]), self.std)


class Dense(FullyConnected):
    """M fully connected layers side by side: (M, B, I) → (M, B, O), O at least 2."""

    OUTPUT_DIM = 2

    def __init__(self, members: int, inputs: int, outputs: int, *, std: float | None = None) -> None:
        super().__init__(std)
        if outputs == 1:
            raise ValueError("Dense: found 1 output, expected at least 2; a layer of one output is a Score")
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))  # (M, I, O)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))  # (M, 1, O)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I) → (M, B, O), each member's numbers bit-identical to its own alone (MKL; decision 0005)."""
        return torch.baddbmm(self.bias, inputs, self.effective_weight())


class Score(FullyConnected):
    """M fully connected layers of one output: (M, B, I) → (M, B).

    No matrix product: with one column it rounds differently for one member and for many (docs/decisions/0005).
    """

    OUTPUT_DIM = 1

    def __init__(self, members: int, inputs: int, *, std: float | None = None) -> None:
        super().__init__(std)
        self.weight = nn.Parameter(torch.zeros(members, 1, inputs))  # (M, 1, I)
        self.bias = nn.Parameter(torch.zeros(members, 1))  # (M, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I) → (M, B)."""
        return (inputs * self.effective_weight()).sum(dim=2) + self.bias


def apart(stacked: Tensor) -> Sequence[Tensor]:
    """(M, …) → each member's (…). Of a single member both ways are views, also for gradients."""
    return stacked.unbind() if len(stacked) > 1 else (stacked.squeeze(0),)


def together(members: Sequence[Tensor]) -> Tensor:
    """The inverse of `apart`."""
    return torch.stack(list(members)) if len(members) > 1 else members[0].unsqueeze(0)


def tanh(inputs: Tensor) -> Tensor:
    """Hyperbolic tangent, on a CPU as 2 σ(2x) - 1: half the time, and within 2e-7 of it."""
    return torch.tanh(inputs) if inputs.is_cuda else _TanhBySigmoid.apply(inputs)


class _TanhBySigmoid(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: Tensor) -> Tensor:
        outputs = (inputs * 2.0).sigmoid_().mul_(2.0).sub_(1.0)
        context.save_for_backward(outputs)
        return outputs

    @staticmethod
    def backward(context: Any, gradients: Tensor) -> Tensor:
        (outputs,) = context.saved_tensors
        by_inputs: Tensor = torch.ops.aten.tanh_backward(gradients, outputs)
        return by_inputs
