"""Dropout with one rate per member. The engine sets the rates from the settings, and the source of random numbers.

Source: Srivastava et al. 2014, JMLR 15; kept values are divided by the share kept, so that evaluation needs no factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn


class UniformSource(Protocol):
    """The source of a dropout's random numbers."""

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Return (M, *shape) in [0, 1) on the network's device, each member's row from its own random stream."""
        ...


class Dropout(nn.Module):
    """M dropouts side by side: (M, B, …) → the same shape. Rates are 0 until they are set: inputs then pass through."""

    rates: Tensor  # (M,) float32, the share dropped

    def __init__(self, members: int) -> None:
        super().__init__()
        self.noise: UniformSource | None = None
        self.drops = False  # kept on the host: reading the rates would make the host wait for the device
        self.register_buffer("rates", torch.zeros(members), persistent=False)

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set one rate per member, each in [0, 1)."""
        if len(rates) != len(self.rates):
            raise ValueError(f"found {len(rates)} dropout rates for {len(self.rates)} members, expected one each")
        if not all(0 <= rate < 1 for rate in rates):
            raise ValueError(f"found dropout rates {list(rates)}, expected each from 0 to less than 1")
        self.rates.copy_(torch.tensor(rates))
        self.drops = any(rate > 0 for rate in rates)

    def forward(self, inputs: Tensor) -> Tensor:
        """(M, B, …) → the same shape; in training a share of each member's values is 0 and the rest is scaled up."""
        if not (self.training and self.drops):
            return inputs
        if self.noise is None:
            raise RuntimeError("dropout has a rate but no random numbers; set `noise` before training")
        rates = self.rates.view(-1, *[1] * (inputs.ndim - 1))
        mask = self.noise.uniform(tuple(inputs.shape[1:])) >= rates
        return inputs * (mask / (1 - rates))
