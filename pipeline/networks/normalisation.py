"""Normalisation with a leading member dimension: of activations over the batch, and of weights by their spectral norm.

Source: batch normalisation, Ioffe & Szegedy 2015, arXiv 1502.03167; spectral normalisation, Miyato et al. 2018, arXiv
1802.05957, algorithm 1. Each member has statistics of its own; members never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.convolution import Conv2d, ConvTranspose2d, fold, runs_folded, unfold
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.stacked import Layer, SpectralNorm, Stacked, stack, unstack

KERAS_EPSILON = 1e-3  # Keras' default; PyTorch's is 1e-5


class BatchNorm(Layer):
    """M batch normalisations side by side, over batch and space: (M, B, C) or (M, B, C, H, W) → the same shape.

    `momentum` is the share of the new batch in the running statistics, as in PyTorch: Keras's 0.9 is 0.1 here. The
    running variance is the unbiased one.
    """

    running_mean: Tensor  # (M, C) float32
    running_variance: Tensor  # (M, C) float32

    def __init__(
        self, members: int, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5, std: float | None = None
    ) -> None:
        """Initial scales come from N(1, std), or are 1 if `std` is None."""
        super().__init__()
        self.momentum, self.epsilon, self.std = momentum, epsilon, std
        self.across_ranks: Callable[[Tensor], Tensor] | None = None  # averages over processes, differentiably
        self.ranks = 1  # the number of processes that share a batch
        self.scale = nn.Parameter(torch.ones(members, channels))
        self.shift = nn.Parameter(torch.zeros(members, channels))
        self.register_buffer("running_mean", torch.zeros(members, channels))
        self.register_buffer("running_variance", torch.ones(members, channels))

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set scales of 1 or near it and zero shifts, and reset the running statistics."""
        self.running_mean.zero_()
        self.running_variance.fill_(1.0)
        with torch.no_grad():
            self.shift.zero_()
            for scale, stream in zip(self.scale, streams, strict=True):
                scale.fill_(1.0)
                if self.std is not None:
                    scale.add_(torch.randn(scale.shape, generator=stream).mul_(self.std).to(scale.device))

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, C, …) → (M, B, C, …). Training also moves the running statistics, in place."""
        if self.training and self.across_ranks is not None:
            return self._over_all_ranks(inputs, self.across_ranks)
        return self._folded(inputs) if runs_folded(inputs) else self._one_by_one(inputs)

    def _folded(self, inputs: Tensor) -> Tensor:
        running = self.running_mean.view(-1), self.running_variance.view(-1)  # views: updated in place
        outputs = self._normalise(fold(inputs), *running, self.scale.flatten(), self.shift.flatten())
        return unfold(outputs, len(inputs))

    def _one_by_one(self, inputs: Tensor) -> Tensor:
        """Bit-identical for a member alone and in a stack; folding is not, for few channels without space.

        Folding took 1.7, 0.9 and 1.1 times as long at 64x14x14, 64x7x7 and 6272 (8 members, batch 64, 1 thread).
        """
        stacked = inputs, self.running_mean, self.running_variance, self.scale, self.shift
        members = zip(*(unstack(tensor) for tensor in stacked), strict=True)
        return stack([self._normalise(*member) for member in members])

    def _normalise(self, inputs: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return F.batch_norm(inputs, mean, variance, scale, shift, self.training, self.momentum, self.epsilon)

    def _over_all_ranks(self, inputs: Tensor, average: Callable[[Tensor], Tensor]) -> Tensor:
        """Normalise by the batches of all processes together, of equal size. One exchange carries both moments."""
        batch_and_space = [1, *range(3, inputs.ndim)]
        exact = inputs.float()  # bfloat16 would lose the variance in the difference of the moments
        local = torch.stack([exact.mean(batch_and_space), exact.square().mean(batch_and_space)])
        mean, mean_square = average(local).unbind()  # (M, C) each
        variance = (mean_square - mean.square()).clamp_min(0.0)  # rounding may leave a negative number
        self._follow(mean.detach(), variance.detach(), self.ranks * inputs[0].numel() // inputs.shape[2])
        scale = self.scale * torch.rsqrt(variance + self.epsilon)
        shape = (inputs.shape[0], 1, inputs.shape[2], *[1] * (inputs.ndim - 3))
        normalised = (exact - mean.view(shape)) * scale.view(shape) + self.shift.reshape(shape)
        return normalised.to(inputs.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards a batch of `count` values per channel."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_variance.lerp_(variance * (count / (count - 1)), self.momentum)


def apply_spectral_norm(network: Stacked) -> None:
    """Give every dense and convolution layer a spectral norm. Call this before `initialise`, which initialises it."""
    for module in list(network.modules()):
        if isinstance(module, Dense | LogitLayer | Conv2d | ConvTranspose2d):
            dim, weight = module.OUTPUT_DIM, module.weight
            module.spectral_norm = SpectralNorm(network.members, weight.shape[dim], dim).to(weight.device)
