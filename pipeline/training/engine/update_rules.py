"""Update rules: one class per optimizer kind, with its formula, the moments it keeps and its rates.

Formulas are those of Keras 2 (`keras/optimizers.py`, 2.2), which the sources used, with t counting updates from 1:

    rate_t = learning_rate / (1 + decay * (t - 1))
    SGD      v ← momentum * v + rate_t * g;                  w ← w - v                     (Polyak 1964)
    RMSprop  a ← rho * a + (1 - rho) * g²;                   w ← w - rate_t * g / (√a + ε) (Hinton 2012, lecture 6e)
    Adam     m ← β1 m + (1 - β1) g,  v ← β2 v + (1 - β2) g²
             w ← w - rate_t * √(1 - β2^t) / (1 - β1^t) * m / (√v + ε)                      (Kingma & Ba 2015, section 2)

`numerics = "torch"` moves Adam's ε behind the bias correction, as PyTorch does: √(v / (1 - β2^t)) + ε, which is the
Keras form with ε * √(1 - β2^t) for ε.

A kind needs one formula, `update`, which serves every device. The three kinds here also have `update_slices`, the same
formula by PyTorch's fused CPU kernels: three times as fast as separate operations (docs/log.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from pipeline.optimizer_kinds import SGD, Adam, OptimizerSettings, RMSprop

Settings = TypeVar("Settings", bound=OptimizerSettings)
Number = float | Tensor  # one for all values, or a column (m, 1) of one number per row


class UpdateRule(Generic[Settings]):
    """The arithmetic of one optimizer kind."""

    moments: ClassVar[tuple[str, ...]]  # names of the tensors kept between updates, each as large as the weights

    def rates(self, settings: Settings, t: int) -> tuple[float, float]:
        """Return the step size and ε of the update t, counted from 1, with decay and bias correction included."""
        return decayed_rate(settings, t), 0.0

    def numbers(self, settings: Settings) -> dict[str, float]:
        """Return the hyper-parameters that `update` reads by name."""
        raise NotImplementedError

    def update(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: Mapping[str, Tensor],
        numbers: Mapping[str, Number],
        step_size: Number,
        epsilon: Number,
    ) -> None:
        """Update weights and moments of any one shape in place, element by element."""
        raise NotImplementedError

    def update_slices(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: Mapping[str, list[Tensor]],
        settings: Settings,
        step_size: float,
        epsilon: float,
    ) -> None:
        """Update many tensors with equal settings in place; override it where one kernel can update all of them."""
        numbers = self.numbers(settings)
        for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            own_moments = {name: slices[number] for name, slices in moments.items()}
            self.update(weight, gradient, own_moments, numbers, step_size, epsilon)


def decayed_rate(settings: OptimizerSettings, t: int) -> float:
    """Return the learning rate of the update t, counted from 1."""
    return settings.learning_rate / (1 + settings.decay * (t - 1))


class SGDRule(UpdateRule[SGD]):
    """Stochastic gradient descent; the first moment is the velocity."""

    moments = ("first",)

    def numbers(self, settings: SGD) -> dict[str, float]:
        """Return the velocity's share in the next one."""
        return {"momentum": settings.momentum}

    def update(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: Mapping[str, Tensor],
        numbers: Mapping[str, Number],
        step_size: Number,
        epsilon: Number,  # noqa: ARG002, it divides by no root
    ) -> None:
        """Update by the formula at the top of this file."""
        velocity = moments["first"]
        velocity.mul_(numbers["momentum"]).add_(gradients * step_size)
        weights.sub_(velocity)

    def update_slices(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: Mapping[str, list[Tensor]],
        settings: SGD,
        step_size: float,
        epsilon: float,  # noqa: ARG002, it divides by no root
    ) -> None:
        """Update by PyTorch's fused kernel."""
        # PyTorch multiplies the whole velocity by the rate, Keras each gradient: with dampening by 1 - rate and a
        # rate of 1 both are the same.
        momentum = settings.momentum
        torch._fused_sgd_(
            weights,
            gradients,
            moments["first"] if momentum else [],
            weight_decay=0.0,
            momentum=momentum,
            lr=1.0 if momentum else step_size,
            dampening=1.0 - step_size if momentum else 0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


class RMSpropRule(UpdateRule[RMSprop]):
    """Steps divided by the root of the second moment, a running mean of squared gradients."""

    moments = ("second",)

    def rates(self, settings: RMSprop, t: int) -> tuple[float, float]:
        """Return the decayed rate and ε."""
        return decayed_rate(settings, t), settings.epsilon

    def numbers(self, settings: RMSprop) -> dict[str, float]:
        """Return the share of the new square in the mean."""
        return {"new_second": 1 - settings.rho}

    def update(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: Mapping[str, Tensor],
        numbers: Mapping[str, Number],
        step_size: Number,
        epsilon: Number,
    ) -> None:
        """Update by the formula at the top of this file."""
        second = moments["second"]
        second.lerp_(gradients * gradients, numbers["new_second"])
        weights.sub_(gradients / second.sqrt().add_(epsilon) * step_size)

    def update_slices(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: Mapping[str, list[Tensor]],
        settings: RMSprop,
        step_size: float,
        epsilon: float,
    ) -> None:
        """Update by Adam's fused kernel with β1 = 0: its first moment is then the gradient itself."""
        _fused_adam(weights, gradients, gradients, moments["second"], (0.0, settings.rho), step_size, epsilon)


class AdamRule(UpdateRule[Adam]):
    """Running means of gradients and of their squares, both corrected for their start at 0 by the step size."""

    moments = ("first", "second")

    def rates(self, settings: Adam, t: int) -> tuple[float, float]:
        """Return the step size with both bias corrections, and ε in the place that `numerics` gives it."""
        correction = math.sqrt(1 - settings.beta2**t)
        epsilon = settings.epsilon * (correction if settings.numerics == "torch" else 1.0)
        return decayed_rate(settings, t) * correction / (1 - settings.beta1**t), epsilon

    def numbers(self, settings: Adam) -> dict[str, float]:
        """Return the shares of new values in both means."""
        # Rounded before the subtraction, so that both shares of the first moment sum to exactly 1 in float32.
        beta1 = torch.tensor(settings.beta1, dtype=torch.float32).item()
        return {"new_first": 1 - beta1, "new_second": 1 - settings.beta2}

    def update(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: Mapping[str, Tensor],
        numbers: Mapping[str, Number],
        step_size: Number,
        epsilon: Number,
    ) -> None:
        """Update by the formula at the top of this file."""
        first, second = moments["first"], moments["second"]
        first.lerp_(gradients, numbers["new_first"])
        second.lerp_(gradients * gradients, numbers["new_second"])
        weights.sub_(first / second.sqrt().add_(epsilon) * step_size)

    def update_slices(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: Mapping[str, list[Tensor]],
        settings: Adam,
        step_size: float,
        epsilon: float,
    ) -> None:
        """Update by PyTorch's fused kernel."""
        betas = settings.beta1, settings.beta2
        _fused_adam(weights, gradients, moments["first"], moments["second"], betas, step_size, epsilon)


RULES: dict[str, UpdateRule[Any]] = {
    SGD.kind: SGDRule(),
    RMSprop.kind: RMSpropRule(),
    Adam.kind: AdamRule(),
}

# Adam's kernel corrects its bias itself. After so many updates its correction is exactly 1, so ours holds alone.
UNCORRECTED = torch.tensor(1e9)


def _fused_adam(
    weights: list[Tensor],
    gradients: list[Tensor],
    first: list[Tensor],
    second: list[Tensor],
    betas: tuple[float, float],
    step_size: float,
    epsilon: float,
) -> None:
    torch._fused_adam_(
        weights,
        gradients,
        first,
        second,
        [],
        [UNCORRECTED] * len(gradients),
        lr=step_size,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
