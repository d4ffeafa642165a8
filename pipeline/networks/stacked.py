"""Stacked networks and their layers: M members with a leading member dimension, trained as one.

Each member's initial weights come from its own random stream, so that a member has the same weights alone and in a
stack. `layers.py`, `convolution.py` and `normalisation.py` build on these classes; no architecture is known here.
Source of the stacking: Ashukha et al. 2018 and others; initialisation: Glorot & Bengio 2010, as Keras' Dense.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROW_ALIGNMENT = 16  # float32 numbers in a cache line


class Stacked(nn.Module):
    """A network of M members whose parameters all have the member dimension first."""

    members: int

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set every layer's initial weights, each member's from its own random stream (CPU generators)."""
        for module in self.modules():
            if isinstance(module, Layer):
                module.initialise(streams)

    def flatten(self) -> Tensor:
        """Move all parameters into one tensor (M, P), of which they become views, and return it.

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
        """Return views of rows (m, P) in the layout of `flatten`, under the parameters' names, each (m, …)."""
        parts: dict[str, Tensor] = {}
        offset = 0
        for name, parameter in self.named_parameters():
            size = parameter[0].numel()
            parts[name] = rows[:, offset : offset + size].view(-1, *parameter.shape[1:])
            offset += size
        return parts


class Layer(nn.Module):
    """M layers side by side, with weights to initialise and optionally a spectral norm."""

    OUTPUT_DIM: int  # the dimension of `weight` (M, …) that counts the layer's outputs
    weight: nn.Parameter
    spectral_norm: SpectralNorm | None

    def __init__(self) -> None:
        super().__init__()
        self.spectral_norm = None

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set the initial weights in place, each member's from its own random stream (a CPU generator)."""
        raise NotImplementedError

    def initialise_weight(self, streams: Sequence[torch.Generator], fans: int, std: float | None) -> None:
        """Fill `weight` from N(0, std), or Glorot-uniform if `std` is None; `fans` counts inputs plus outputs."""
        shape, limit = self.weight.shape[1:], math.sqrt(6.0 / fans)
        with torch.no_grad():
            for weight, stream in zip(self.weight, streams, strict=True):
                if std is None:
                    weight.copy_(torch.rand(shape, generator=stream).mul_(2 * limit).sub_(limit))
                else:
                    weight.copy_(torch.randn(shape, generator=stream).mul_(std))

    def effective_weight(self) -> Tensor:
        """Return the weight that the layer applies: its own, divided by its spectral norm if it has one."""
        if self.spectral_norm is None:
            return self.weight
        return self.spectral_norm.normalise(self.weight, training=self.training)


class SpectralNorm(Layer):
    """M estimates of a weight's largest singular value σ, refined by one power iteration per training step.

    The weight (M, …) is read as matrices W (M, rows, columns) with one row per output. u, the left singular vector, is
    stored between steps. Source: Miyato et al. 2018, arXiv 1802.05957, algorithm 1.
    """

    u: Tensor  # (M, rows) float32, of length 1

    def __init__(self, members: int, rows: int, output_dim: int) -> None:
        """`output_dim` is the dimension of the weight that holds the rows."""
        super().__init__()
        self.output_dim = output_dim
        self.register_buffer("u", torch.zeros(members, rows))

    def initialise(self, streams: Sequence[torch.Generator]) -> None:
        """Set u to a random direction."""
        for u, stream in zip(self.u, streams, strict=True):
            u.copy_(F.normalize(torch.randn(u.shape, generator=stream), dim=0))

    def normalise(self, weight: Tensor, *, training: bool) -> Tensor:
        """Divide a weight (M, …) by its σ. The gradient passes through σ = uᵀ W v, not through u and v."""
        matrix = weight.movedim(self.output_dim, 1).flatten(2)  # (M, rows, columns)
        # Sums of products, not matrix products: those would round differently for one member and for many.
        with torch.no_grad():
            v = F.normalize((matrix * self.u.unsqueeze(2)).sum(dim=1), dim=1)  # (M, columns)
        image = (matrix * v.unsqueeze(1)).sum(dim=2)  # W v (M, rows)
        if training:
            self.u.copy_(F.normalize(image.detach(), dim=1))
        u = self.u.clone()  # the next forward overwrites u, maybe before this one's backward
        sigma = (u * image).sum(dim=1)
        return weight / sigma.view(-1, *[1] * (weight.ndim - 1))


def unstack(stacked: Tensor) -> Sequence[Tensor]:
    """Split (M, …) into M tensors (…). With a single member this and `stack` are views, also for gradients."""
    return stacked.unbind() if len(stacked) > 1 else (stacked.squeeze(0),)


def stack(members: Sequence[Tensor]) -> Tensor:
    """Stack M tensors (…) into (M, …): the inverse of `unstack`."""
    return torch.stack(list(members)) if len(members) > 1 else members[0].unsqueeze(0)
