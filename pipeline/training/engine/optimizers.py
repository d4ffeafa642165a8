"""Optimizers of stacked networks: each member's whole network is one row of (M, P), with its own rates.

The formulas are in `update_rules.py`. Before an update gradients are clipped by the norm of a member's whole gradient
(Pascanu et al. 2013, arXiv 1211.5063), then element by element, in Keras' order.

There are two ways to apply a rule. On the CPU every parameter of every member is a slice, and one call updates the
slices of all members with equal settings. On CUDA whole rows are updated, with hyper-parameters as columns and rates
on the device, so that a captured graph can read new rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.optimizer_kinds import OptimizerSettings
from pipeline.training.engine.update_rules import RULES

Rates = list[list[float]]  # (2, M): the step size and ε of one update of each member


class StackedOptimizer:
    """Updates M rows, each with its own hyper-parameters, and keeps their moments.

    A moment, (M, P), is present if at least one member's rule uses it: `first` is SGD's velocity and Adam's first
    moment, `second` the running mean of squares.
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

        Rows may be padded. `fused` chooses the CPU's way (True) or CUDA's; None chooses by the device.
        """
        if len(weights) != len(settings):
            raise ValueError(f"found {len(settings)} optimizers for {len(weights)} members, expected one each")
        self.settings = tuple(settings)
        self.runs = [(settings[rows.start], rows.stop - rows.start) for rows in _with_equal_settings(settings)]
        needed = {name for entry in settings for name in RULES[entry.kind].moments}
        self.moments = {name: torch.zeros_like(weights) for name in sorted(needed)}
        by_slices = not weights.is_cuda if fused is None else fused
        updates: type[FusedUpdates] | type[ColumnUpdates] = FusedUpdates if by_slices else ColumnUpdates
        self.updates = updates(weights, self.moments, [parameter.shape for parameter in parameters], self.settings)

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Update once in place from the gradients of all parameters, each (M, …), which may be overwritten.

        `rates` (2, M) are the values of `rates` in `rates_dtype`, on the device.
        """
        with torch.no_grad():
            self.updates.update(gradients, rates)

    def rates(self, update: int) -> Rates:
        """Return every member's rates at an update, counted from 0."""
        step_sizes: list[float] = []
        epsilons: list[float] = []
        for entry, count in self.runs:
            step_size, epsilon = RULES[entry.kind].rates(entry, update + 1)
            step_sizes += [step_size] * count
            epsilons += [epsilon] * count
        return [step_sizes, epsilons]

    @property
    def rates_dtype(self) -> torch.dtype:
        """The dtype of the rates that `update` takes: double precision if they become Python numbers again."""
        return self.updates.RATES_DTYPE

    def state(self, rows: slice) -> dict[str, Tensor]:
        """Return the moments, each (m, P), of neighbouring members with the same kind: all that a resumed run needs."""
        return {name: self.moments[name][rows] for name in RULES[self.settings[rows.start].kind].moments}


def _with_equal_settings(settings: Sequence[OptimizerSettings]) -> Iterator[slice]:
    return _neighbours(settings)


def _with_equal_kinds(settings: Sequence[OptimizerSettings]) -> Iterator[slice]:
    return _neighbours([entry.kind for entry in settings])


def _neighbours(values: Sequence[object]) -> Iterator[slice]:
    """Yield the rows of each run of equal values."""
    start = 0
    for _, group in itertools.groupby(values):
        stop = start + len(list(group))
        yield slice(start, stop)
        start = stop


class FusedUpdates:
    """The CPU's way: every parameter of every member is a slice of its row, passed to one call per group."""

    RATES_DTYPE = torch.float64

    def __init__(
        self,
        weights: Tensor,
        moments: dict[str, Tensor],
        shapes: Sequence[torch.Size],
        settings: Sequence[OptimizerSettings],
    ) -> None:
        self.has_one_member = len(weights) == 1
        self.groups = [
            _Group(
                rows,
                settings[rows.start],
                _slices(weights[rows], shapes),
                {name: _slices(moments[name][rows], shapes) for name in RULES[settings[rows.start].kind].moments},
            )
            for rows in _with_equal_settings(settings)
        ]

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Update all rows from gradients (M, …) and rates (2, M)."""
        step_sizes, epsilons = rates.tolist()
        # The kernels read memory in its order, whatever the strides; double backward gives transposed gradients.
        gradients = [gradient.contiguous() for gradient in gradients]
        for group in self.groups:
            slices = self._group_slices(gradients, group.rows)
            _clip_slices(slices, group.settings, group.rows.stop - group.rows.start)
            step_size, epsilon = step_sizes[group.rows.start], epsilons[group.rows.start]
            rule = RULES[group.settings.kind]
            rule.update_slices(group.weights, slices, group.moments, group.settings, step_size, epsilon)

    def _group_slices(self, gradients: Sequence[Tensor], rows: slice) -> list[Tensor]:
        if self.has_one_member:  # views cost a fiftieth of a small network's step
            return list(gradients)
        return [member for gradient in gradients for member in gradient.unbind()[rows]]


def _slices(rows: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Split rows (m, P) into slices per parameter and member, parameters outermost, like `_group_slices`."""
    sizes = [shape[1:].numel() for shape in shapes]
    parts = torch.split(rows[:, : sum(sizes)], sizes, dim=1)
    if shapes[0][0] == 1:  # the only member of its stack
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
    return [member.view(shape[1:]) for part, shape in zip(parts, shapes, strict=True) for member in part.unbind()]


def _clip_slices(gradients: list[Tensor], settings: OptimizerSettings, members: int) -> None:
    """Clip in place the slices of `members` members, parameters outermost."""
    if settings.clip_norm is not None:
        for member in range(members):
            slices = gradients[member::members]
            norm = torch.stack(torch._foreach_norm(slices)).norm()
            torch._foreach_mul_(slices, (settings.clip_norm / norm).clamp_(max=1.0))
    if settings.clip_value is not None:
        torch._foreach_clamp_min_(gradients, -settings.clip_value)
        torch._foreach_clamp_max_(gradients, settings.clip_value)


@dataclass(frozen=True)
class _Group:
    """Neighbouring members with equal settings."""

    rows: slice
    settings: OptimizerSettings
    weights: list[Tensor]
    moments: dict[str, list[Tensor]]


class ColumnUpdates:
    """CUDA's way: whole rows at once, hyper-parameters as columns (m, 1), one call per run of members with one kind."""

    RATES_DTYPE = torch.float32

    def __init__(
        self,
        weights: Tensor,
        moments: dict[str, Tensor],
        shapes: Sequence[torch.Size],
        settings: Sequence[OptimizerSettings],
    ) -> None:
        self.weights, self.moments = weights, moments
        self.gradients = torch.zeros_like(weights)
        self.used = sum(shape[1:].numel() for shape in shapes)
        self.groups = [
            (rows, settings[rows.start].kind, self._numbers(settings[rows])) for rows in _with_equal_kinds(settings)
        ]
        self.clip_value = self._limits([entry.clip_value for entry in settings])
        self.clip_norm = self._limits([entry.clip_norm for entry in settings])

    def _numbers(self, settings: Sequence[OptimizerSettings]) -> dict[str, Tensor]:
        """Return the hyper-parameters of members with one kind, each as a column (m, 1)."""
        rule = RULES[settings[0].kind]
        by_member = [rule.numbers(entry) for entry in settings]
        return {name: self._column([numbers[name] for numbers in by_member]) for name in by_member[0]}

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=self.weights.dtype, device=self.weights.device).unsqueeze(1)

    def _limits(self, limits: Sequence[float | None]) -> Tensor | None:
        if all(limit is None for limit in limits):
            return None
        return self._column([math.inf if limit is None else limit for limit in limits])

    def update(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Update all rows from gradients (M, …) and rates (2, M)."""
        torch.cat([gradient.flatten(1) for gradient in gradients], dim=1, out=self.gradients[:, : self.used])
        self._clip()
        for rows, kind, numbers in self.groups:
            rule = RULES[kind]
            moments = {name: self.moments[name][rows] for name in rule.moments}
            step_size, epsilon = rates[0, rows].unsqueeze(1), rates[1, rows].unsqueeze(1)
            rule.update(self.weights[rows], self.gradients[rows], moments, numbers, step_size, epsilon)

    def _clip(self) -> None:
        if self.clip_norm is not None:
            norm = torch.linalg.vector_norm(self.gradients, dim=1, keepdim=True)
            self.gradients.mul_((self.clip_norm / norm).clamp_(max=1.0))
        if self.clip_value is not None:
            self.gradients.clamp_(min=-self.clip_value, max=self.clip_value)
