"""Convolutions with a leading member dimension, and how members fold into channels: (M, B, C, H, W) → (B, M·C, H, W).

Initialisation: Glorot & Bengio 2010 as Keras does it for kernels, or N(0, std) as Radford et al. 2016, arXiv
1511.06434. Folding: one convolution with as many groups as members, as in Ashukha et al. 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.stacked import Layer, stack, unstack


def runs_folded(inputs: Tensor) -> bool:
    """Return whether members run folded into channels, as one call (CUDA), not one after the other (CPU).

    A GPU wants few, large kernels. On the CPU one after the other keeps each member's numbers bit-identical to those of
    the member alone, and is no slower. A grouped convolution took 1.07 to 1.34 times as long, forward and backward (8
    members, batch 64, 4x4 kernels with stride 2 at 7x7 to 28x28, 1 thread; 0.87 to 1.37 times with 2 threads).
    """
    return inputs.is_cuda


def fold(inputs: Tensor) -> Tensor:
    """(M, B, C, …) → (B, M·C, …): a member's channels stay together."""
    return inputs.transpose(0, 1).flatten(1, 2)


def unfold(outputs: Tensor, members: int) -> Tensor:
    """(B, M·C, …) → (M, B, C, …), the inverse of `fold`; a view."""
    return outputs.view(len(outputs), members, -1, *outputs.shape[2:]).transpose(0, 1)


def same_padding(side: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Return the cells before and behind a side that give ⌈side / stride⌉ outputs: "same" in Keras and TensorFlow."""
    total = max((-(-side // stride) - 1) * stride + kernel_size - side, 0)
    return total // 2, total - total // 2


def upsample(inputs: Tensor) -> Tensor:
    """(M, B, C, H, W) → (M, B, C, 2H, 2W): every cell becomes four equal ones."""
    larger: Tensor = F.interpolate(inputs.flatten(0, 1), scale_factor=2.0, mode="nearest")
    return larger.view(*inputs.shape[:2], *larger.shape[1:])


class Convolution(Layer):
    """The weights of both directions, their initialisation, and the two ways to run the members."""

    def __init__(
        self,
        members: int,
        inputs: int,
        outputs: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        std: float | None = None,
    ) -> None:
        """`inputs` and `outputs` count channels. Initial weights: N(0, std), or Glorot-uniform if `std` is None."""
        super().__init__()
        self.stride, self.padding, self.std = stride, padding, std
        channels = (outputs, inputs) if self.OUTPUT_DIM == 1 else (inputs, outputs)
        self.weight = nn.Parameter(torch.zeros(members, *channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(members, outputs)) if bias else None  # (M, O)

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set Glorot-uniform or normal weights and zero biases."""
        shape = self.weight.shape[1:]
        fans = (shape[0] + shape[1]) * shape[2] * shape[3]  # each cell of the kernel counts
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.initialise_weight(streams, fans, self.std)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, I, H, W) → (M, B, O, H', W')."""
        return self._folded(inputs) if runs_folded(inputs) else self._one_by_one(inputs)

    def _folded(self, inputs: Tensor) -> Tensor:
        members = len(inputs)
        folded = fold(inputs).contiguous(memory_format=torch.channels_last)
        bias = None if self.bias is None else self.bias.flatten()
        return unfold(self._convolve(folded, self.effective_weight().flatten(0, 1), bias, members), members)

    def _one_by_one(self, inputs: Tensor) -> Tensor:
        biases: Sequence[Tensor | None] = [None] * len(inputs) if self.bias is None else unstack(self.bias)
        members = zip(unstack(inputs), unstack(self.effective_weight()), biases, strict=True)
        return stack([self._convolve(images, weight, bias, 1) for images, weight, bias in members])

    def _convolve(self, inputs: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """(B, G·I, H, W) → (B, G·O, H', W')."""
        raise NotImplementedError


def has_convolutions(network: nn.Module) -> bool:
    """Return whether any layer is a convolution."""
    return any(isinstance(layer, Convolution) for layer in network.modules())


class Conv2d(Convolution):
    """M convolutions side by side: (M, B, I, H, W) → (M, B, O, H', W'), H' = (H + 2 padding - kernel) / stride + 1."""

    OUTPUT_DIM = 1  # weight (M, O, I, k, k)

    def _convolve(self, inputs: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        return F.conv2d(inputs, weight, bias, stride=self.stride, padding=self.padding, groups=groups)


class ConvTranspose2d(Convolution):
    """M transposed convolutions side by side: (M, B, I, H, W) → (M, B, O, H', W').

    H' = (H - 1) stride - 2 padding + kernel.
    """

    OUTPUT_DIM = 2  # weight (M, I, O, k, k)

    def _convolve(self, inputs: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        return F.conv_transpose2d(inputs, weight, bias, stride=self.stride, padding=self.padding, groups=groups)
