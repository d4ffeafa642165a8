"""Optimizers of stacked networks: each member's whole network is one row of (M, P), with its own rates.

Formulas are those of Keras 2 (`keras/optimizers.py`, 2.2), which the sources used, with t counting updates from 1:

    rate_t = learning_rate / (1 + decay * (t - 1))
    SGD      v ← momentum * v - rate_t * g;                  w ← w + v                     (Polyak 1964)
    RMSprop  a ← rho * a + (1 - rho) * g²;                   w ← w - rate_t * g / (√a + ε) (Hinton 2012, lecture 6e)
    Adam     m ← β1 m + (1 - β1) g,  v ← β2 v + (1 - β2) g²
             w ← w - rate_t * √(1 - β2^t) / (1 - β1^t) * m / (√v + ε)                      (Kingma & Ba 2015, section 2)

`numerics = "torch"` moves Adam's ε behind the bias correction, as PyTorch does: √(v / (1 - β2^t)) + ε, which is the
Keras form with ε * √(1 - β2^t) for ε. Gradients are clipped element by element before the update.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pipeline.settings import OptimizerSettings


class StackedOptimizer:
    """Updates M rows, neighbours of the same kind in one go, each row with its own hyper-parameters."""

    def __init__(self, weights: Tensor, settings: Sequence[OptimizerSettings]) -> None:
        """`weights` is (M, P), updated in place; `settings` has one entry a member."""
        if len(weights) != len(settings):
            raise ValueError(f"found {len(settings)} optimizers for {len(weights)} members, expected one each")
        self.rules = [RULES[kind](weights[rows], settings[rows]) for kind, rows in _neighbours_of_a_kind(settings)]
        self.rows = [rows for _, rows in _neighbours_of_a_kind(settings)]
        self.gradients = torch.empty_like(weights)  # kept: allocating megabytes every step costs a tenth of it

    def update(self, gradients: Sequence[Tensor]) -> None:
        """One update from the gradients of all parameters, each (M, …), in the order they have in a row."""
        torch.cat([gradient.flatten(1) for gradient in gradients], dim=1, out=self.gradients)
        with torch.no_grad():
            for rule, rows in zip(self.rules, self.rows, strict=True):
                rule.update(self.gradients[rows])


def _neighbours_of_a_kind(settings: Sequence[OptimizerSettings]) -> Iterator[tuple[str, slice]]:
    start = 0
    for kind, group in itertools.groupby(settings, key=lambda entry: entry.kind):
        stop = start + len(list(group))
        yield kind, slice(start, stop)
        start = stop


class Rule:
    """One optimizer's formula on rows (m, P); hyper-parameters are columns (m, 1)."""

    def __init__(self, weights: Tensor, settings: Sequence[OptimizerSettings]) -> None:
        self.weights = weights
        self.scratch = torch.empty_like(weights)
        self.settings = settings
        self.updates = 0
        limits = [math.inf if entry.clip_value is None else entry.clip_value for entry in settings]
        self.clip_value = self.column(limits) if min(limits) < math.inf else None

    def column(self, values: Sequence[float]) -> Tensor:
        """One value a member as (m, 1), beside the weights."""
        return torch.tensor(values, dtype=self.weights.dtype, device=self.weights.device).unsqueeze(1)

    def update(self, gradients: Tensor) -> None:
        """Clip, then apply the formula."""
        self.updates += 1
        if self.clip_value is not None:
            gradients = gradients.clamp_(min=-self.clip_value, max=self.clip_value)
        self.apply(gradients)

    def rates(self) -> list[float]:
        """Each member's learning rate at this update, decayed."""
        return [entry.learning_rate / (1 + entry.decay * (self.updates - 1)) for entry in self.settings]

    def apply(self, gradients: Tensor) -> None:
        """Update the weights in place; the gradients may be overwritten."""
        raise NotImplementedError


class Sgd(Rule):
    """Gradient descent with momentum."""

    def __init__(self, weights: Tensor, settings: Sequence[OptimizerSettings]) -> None:
        super().__init__(weights, settings)
        self.momentum = self.column([entry.momentum for entry in settings])
        self.velocity = torch.zeros_like(weights)

    def apply(self, gradients: Tensor) -> None:
        """See the module's formulas."""
        self.velocity.mul_(self.momentum).sub_(gradients.mul_(self.column(self.rates())))
        self.weights.add_(self.velocity)


class RmsProp(Rule):
    """Gradients divided by a running root mean square."""

    def __init__(self, weights: Tensor, settings: Sequence[OptimizerSettings]) -> None:
        super().__init__(weights, settings)
        self.new_share = self.column([1 - entry.rho for entry in settings])
        self.epsilon = self.column([entry.epsilon for entry in settings])
        self.mean_square = torch.zeros_like(weights)

    def apply(self, gradients: Tensor) -> None:
        """See the module's formulas."""
        self.mean_square.lerp_(torch.mul(gradients, gradients, out=self.scratch), self.new_share)
        step = gradients.div_(torch.sqrt(self.mean_square, out=self.scratch).add_(self.epsilon))
        self.weights.sub_(step.mul_(self.column(self.rates())))


class Adam(Rule):
    """A running mean of gradients divided by their running root mean square, both bias-corrected."""

    def __init__(self, weights: Tensor, settings: Sequence[OptimizerSettings]) -> None:
        super().__init__(weights, settings)
        self.new_share_first = self.column([1 - entry.beta1 for entry in settings])
        self.new_share_second = self.column([1 - entry.beta2 for entry in settings])
        self.first_moment = torch.zeros_like(weights)
        self.second_moment = torch.zeros_like(weights)

    def apply(self, gradients: Tensor) -> None:
        """See the module's formulas."""
        corrections = [math.sqrt(1 - entry.beta2**self.updates) for entry in self.settings]
        rates = [
            rate * correction / (1 - entry.beta1**self.updates)
            for rate, correction, entry in zip(self.rates(), corrections, self.settings, strict=True)
        ]
        epsilons = [
            entry.epsilon * (correction if entry.numerics == "torch" else 1.0)
            for correction, entry in zip(corrections, self.settings, strict=True)
        ]
        self.first_moment.lerp_(gradients, self.new_share_first)
        self.second_moment.lerp_(gradients.mul_(gradients), self.new_share_second)
        denominator = torch.sqrt(self.second_moment, out=self.scratch).add_(self.column(epsilons))
        step = torch.div(self.first_moment, denominator, out=gradients)
        self.weights.sub_(step.mul_(self.column(rates)))


RULES: dict[str, type[Rule]] = {"sgd": Sgd, "rmsprop": RmsProp, "adam": Adam}
