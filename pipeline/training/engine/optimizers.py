"""Optimizers of stacked networks: each member's whole network is one row of (M, P), with its own rates.

Formulas are those of Keras 2 (`keras/optimizers.py`, 2.2), which the sources used, with t counting updates from 1:

    rate_t = learning_rate / (1 + decay * (t - 1))
    SGD      v ← momentum * v + rate_t * g;                  w ← w - v                     (Polyak 1964)
    RMSprop  a ← rho * a + (1 - rho) * g²;                   w ← w - rate_t * g / (√a + ε) (Hinton 2012, lecture 6e)
    Adam     m ← β1 m + (1 - β1) g,  v ← β2 v + (1 - β2) g²
             w ← w - rate_t * √(1 - β2^t) / (1 - β1^t) * m / (√v + ε)                      (Kingma & Ba 2015, section 2)

`numerics = "torch"` moves Adam's ε behind the bias correction, as PyTorch does: √(v / (1 - β2^t)) + ε, which is the
Keras form with ε * √(1 - β2^t) for ε. Before the update gradients are clipped by the norm of a member's whole gradient
(Pascanu et al. 2013, arXiv 1211.5063), then element by element, in Keras' order.

Two ways compute the same: on the CPU PyTorch's fused kernels, one call for members with equal settings, three times as
fast as separate operations (docs/log.md); on CUDA operations on whole rows with hyper-parameters as columns, so that a
captured graph can be given new rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.optimizer_kinds import SGD, Adam, OptimizerSettings, RMSprop

MOMENTS = {"sgd": ("first",), "rmsprop": ("second",), "adam": ("first", "second")}  # what each kind remembers


# (2, M): the numbers of one update, each member's factor of the step and ε, bias correction and decay included.
Rates = list[list[float]]


def _step_size_and_epsilon(entry: OptimizerSettings, t: int) -> tuple[float, float]:
    rate = entry.learning_rate / (1 + entry.decay * (t - 1))
    if not isinstance(entry, Adam):
        return rate, entry.epsilon if isinstance(entry, RMSprop) else 0.0
    correction = math.sqrt(1 - entry.beta2**t)
    epsilon = entry.epsilon * (correction if entry.numerics == "torch" else 1.0)
    return rate * correction / (1 - entry.beta1**t), epsilon


class StackedOptimizer:
    """Updates M rows, each with its own hyper-parameters, and remembers their moments.

    `first` is SGD's velocity and Adam's first moment, `second` the running mean of squares, both (M, P); a moment that
    no member needs is not there.
    """

    def __init__(
        self,
        weights: Tensor,
        parameters: Sequence[Tensor],
        settings: Sequence[OptimizerSettings],
        *,
        fused: bool | None = None,
    ) -> None:
        """`weights` (M, P) is updated in place; `parameters`, each (M, …), are its parts, from left to right.

        Rows may be padded. `fused` chooses the way; None means by device.
        """
        if len(weights) != len(settings):
            raise ValueError(f"found {len(settings)} optimizers for {len(weights)} members, expected one each")
        self.settings = tuple(settings)
        self.runs = [(settings[rows.start], rows.stop - rows.start) for rows in _neighbours(settings, alike=False)]
        needed = {name for entry in settings for name in MOMENTS[entry.kind]}
        self.moments = {name: torch.zeros_like(weights) for name in sorted(needed)}
        by_slices = not weights.is_cuda if fused is None else fused
        way: type[_Slices] | type[_Columns] = _Slices if by_slices else _Columns
        self.way = way(weights, self.moments, [each.shape for each in parameters], self.settings)

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """One update, in place, from the gradients of all parameters, each (M, …), which may be overwritten.

        `rates` (2, M) are those of `rates` in `rates_dtype`, on the device.
        """
        with torch.no_grad():
            self.way.update(gradients, rates)

    def rates(self, update: int) -> Rates:
        """Every member's rates at the update counted from 0."""
        step_sizes: list[float] = []
        epsilons: list[float] = []
        for entry, count in self.runs:
            step_size, epsilon = _step_size_and_epsilon(entry, update + 1)
            step_sizes += [step_size] * count
            epsilons += [epsilon] * count
        return [step_sizes, epsilons]

    @property
    def rates_dtype(self) -> torch.dtype:
        """What `update` takes rates in: as exact as Python's numbers where they become those again."""
        return self.way.RATES_DTYPE

    def state(self, rows: slice) -> dict[str, Tensor]:
        """The moments of some members that share a kind, each (m, P): what must survive to go on exactly."""
        return {name: self.moments[name][rows] for name in MOMENTS[self.settings[rows.start].kind]}


def _neighbours(settings: Sequence[OptimizerSettings], *, alike: bool) -> Iterator[slice]:
    """Rows of members that follow each other with equal settings, or at least (`alike`) of the same kind."""
    start = 0
    for _, group in itertools.groupby(settings, key=lambda entry: entry.kind if alike else entry):
        stop = start + len(list(group))
        yield slice(start, stop)
        start = stop


class _Slices:
    """The CPU's way: every parameter of every member is a slice of its row, handed to one fused call."""

    RATES_DTYPE = torch.float64

    def __init__(
        self,
        weights: Tensor,
        moments: dict[str, Tensor],
        shapes: Sequence[torch.Size],
        settings: Sequence[OptimizerSettings],
    ) -> None:
        self.alone = len(weights) == 1
        self.groups = [
            _SliceGroup(
                rows,
                settings[rows.start],
                _slices(weights[rows], shapes),
                {name: _slices(moments[name][rows], shapes) for name in MOMENTS[settings[rows.start].kind]},
            )
            for rows in _neighbours(settings, alike=False)
        ]

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        step_sizes, epsilons = rates.tolist()
        # The kernels read memory in its order, whatever the strides; double backward gives transposed gradients.
        gradients = [each.contiguous() for each in gradients]
        for group in self.groups:
            slices = self._of_group(gradients, group.rows)
            _clip_slices(slices, group.settings, group.rows.stop - group.rows.start)
            group.apply(slices, step_sizes[group.rows.start], epsilons[group.rows.start])

    def _of_group(self, gradients: Sequence[Tensor], rows: slice) -> list[Tensor]:
        if self.alone:  # views cost a fiftieth of a small network's step
            return list(gradients)
        return [one for gradient in gradients for one in gradient.unbind()[rows]]


def _slices(rows: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Rows (m, P) → the slices of every parameter and member, parameters outermost, as `_of_group` gives gradients."""
    sizes = [shape[1:].numel() for shape in shapes]
    parts = torch.split(rows[:, : sum(sizes)], sizes, dim=1)
    if shapes[0][0] == 1:  # the only member of its stack
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
    return [one.view(shape[1:]) for part, shape in zip(parts, shapes, strict=True) for one in part.unbind()]


def _clip_slices(gradients: list[Tensor], settings: OptimizerSettings, members: int) -> None:
    """Clip in place the slices of `members` members, parameters outermost."""
    if settings.clip_norm is not None:
        for member in range(members):
            own = gradients[member::members]
            norm = torch.stack(torch._foreach_norm(own)).norm()
            torch._foreach_mul_(own, (settings.clip_norm / norm).clamp_(max=1.0))
    if settings.clip_value is not None:
        torch._foreach_clamp_min_(gradients, -settings.clip_value)
        torch._foreach_clamp_max_(gradients, settings.clip_value)


# Adam's kernel corrects its bias itself; after so many updates the correction is exactly 1, and `Rates` does it.
UNCORRECTED = torch.tensor(1e9)


@dataclass(frozen=True)
class _SliceGroup:
    """Neighbouring members with equal settings."""

    rows: slice
    settings: OptimizerSettings
    weights: list[Tensor]
    moments: dict[str, list[Tensor]]

    def apply(self, gradients: list[Tensor], step_size: float, epsilon: float) -> None:
        """The formula of the group's kind, in one call for all slices."""
        if isinstance(self.settings, Adam):
            self._adam(gradients, self.moments["first"], self.settings.beta1, self.settings.beta2, step_size, epsilon)
        elif isinstance(self.settings, RMSprop):  # Adam's with β1 = 0: the first moment is then the gradient itself
            self._adam(gradients, gradients, 0.0, self.settings.rho, step_size, epsilon)
        elif isinstance(self.settings, SGD):
            self._sgd(gradients, self.settings.momentum, step_size)

    def _sgd(self, gradients: list[Tensor], momentum: float, step_size: float) -> None:
        """PyTorch multiplies the whole velocity by the rate, Keras each gradient: dampening by 1 - rate is the same."""
        torch._fused_sgd_(
            self.weights,
            gradients,
            self.moments["first"] if momentum else [],
            weight_decay=0.0,
            momentum=momentum,
            lr=1.0 if momentum else step_size,
            dampening=1.0 - step_size if momentum else 0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )

    def _adam(
        self,
        gradients: list[Tensor],
        first: list[Tensor],
        beta1: float,
        beta2: float,
        step_size: float,
        epsilon: float,
    ) -> None:
        torch._fused_adam_(
            self.weights,
            gradients,
            first,
            self.moments["second"],
            [],
            [UNCORRECTED] * len(gradients),
            lr=step_size,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=epsilon,
            amsgrad=False,
            maximize=False,
        )


def _decay_of_first(entry: OptimizerSettings) -> float:
    if isinstance(entry, SGD):
        return entry.momentum
    return entry.beta1 if isinstance(entry, Adam) else 0.0


def _decay_of_second(entry: OptimizerSettings) -> float:
    if isinstance(entry, RMSprop):
        return entry.rho
    return entry.beta2 if isinstance(entry, Adam) else 0.0


class _Columns:
    """CUDA's way: whole rows at once, hyper-parameters as columns (m, 1), neighbours of a kind together."""

    RATES_DTYPE = torch.float32

    def __init__(
        self,
        weights: Tensor,
        moments: dict[str, Tensor],
        shapes: Sequence[torch.Size],
        settings: Sequence[OptimizerSettings],
    ) -> None:
        self.weights, self.moments, self.settings = weights, moments, settings
        self.rows = list(_neighbours(settings, alike=True))
        self.gradients = torch.zeros_like(weights)
        self.used = sum(shape[1:].numel() for shape in shapes)
        self.first_share = self._column([_decay_of_first(entry) for entry in settings])
        self.new_first = 1 - self.first_share
        self.new_second = self._column([1 - _decay_of_second(entry) for entry in settings])
        self.clip_value = self._limits([entry.clip_value for entry in settings])
        self.clip_norm = self._limits([entry.clip_norm for entry in settings])

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self.weights.dtype, device=self.weights.device).unsqueeze(1)

    def _limits(self, limits: Sequence[float | None]) -> Tensor | None:
        if all(limit is None for limit in limits):
            return None
        return self._column([math.inf if limit is None else limit for limit in limits])

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        torch.cat([gradient.flatten(1) for gradient in gradients], dim=1, out=self.gradients[:, : self.used])
        self._clip()
        for rows in self.rows:
            kind = self.settings[rows.start].kind
            UPDATES[kind](self, rows, rates[0, rows].unsqueeze(1), rates[1, rows].unsqueeze(1))

    def _clip(self) -> None:
        if self.clip_norm is not None:
            norm = torch.linalg.vector_norm(self.gradients, dim=1, keepdim=True)
            self.gradients.mul_((self.clip_norm / norm).clamp_(max=1.0))
        if self.clip_value is not None:
            self.gradients.clamp_(min=-self.clip_value, max=self.clip_value)

    def sgd(self, rows: slice, step_size: Tensor, _epsilon: Tensor) -> None:
        velocity = self.moments["first"][rows]
        velocity.mul_(self.first_share[rows]).add_(self.gradients[rows] * step_size)
        self.weights[rows].sub_(velocity)

    def rmsprop(self, rows: slice, step_size: Tensor, epsilon: Tensor) -> None:
        gradients, second = self.gradients[rows], self.moments["second"][rows]
        second.lerp_(gradients * gradients, self.new_second[rows])
        self.weights[rows].sub_(gradients / second.sqrt().add_(epsilon) * step_size)

    def adam(self, rows: slice, step_size: Tensor, epsilon: Tensor) -> None:
        gradients, first, second = self.gradients[rows], self.moments["first"][rows], self.moments["second"][rows]
        first.lerp_(gradients, self.new_first[rows])
        second.lerp_(gradients * gradients, self.new_second[rows])
        self.weights[rows].sub_(first / second.sqrt().add_(epsilon) * step_size)


UPDATES = {"sgd": _Columns.sgd, "rmsprop": _Columns.rmsprop, "adam": _Columns.adam}
