"""Our stacked optimizers beside `torch.optim`, an independent implementation, on the same gradients."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.optimizer_kinds import KINDS, SGD, Adam, OptimizerSettings, RMSprop
from pipeline.training.engine.optimizers import StackedOptimizer
from pipeline.training.engine.update_rules import RULES, UpdateRule

STEPS = 50
SHAPES = [(3, 5), (5,), (1, 1), (7, 2)]  # of a member's parameters: 35 numbers, no whole number of cache lines
SIZES = [math.prod(shape) for shape in SHAPES]
PADDED = 48
WAYS = {"slices": True, "columns": False}  # whether fused

TorchOptimizer = Callable[[list[Tensor]], torch.optim.Optimizer]
Change = Callable[[list[Tensor]], object]

SAME: dict[str, tuple[OptimizerSettings, TorchOptimizer]] = {
    "sgd": (
        SGD(0.01),
        lambda weights: torch.optim.SGD(weights, 0.01),
    ),
    "sgd with momentum": (
        SGD(0.01, momentum=0.5),
        lambda weights: torch.optim.SGD(weights, 0.01, momentum=0.5),
    ),
    "rmsprop": (
        RMSprop(2e-4, rho=0.9, epsilon=1e-7),
        lambda weights: torch.optim.RMSprop(weights, 2e-4, alpha=0.9, eps=1e-7),
    ),
    "adam": (
        Adam(2e-4, beta1=0.5, epsilon=1e-8, numerics="torch"),
        lambda weights: torch.optim.Adam(weights, 2e-4, betas=(0.5, 0.999), eps=1e-8),
    ),
}
every_way = pytest.mark.parametrize("way", WAYS)


def gradients(member: int, step: int) -> list[Tensor]:
    """Return gradients of one member's parameters, from 1e-6 to 10 in size."""
    stream = torch.Generator().manual_seed(1000 * member + step)
    flat = torch.randn(sum(SIZES), generator=stream) * 10.0 ** torch.randint(-6, 2, (sum(SIZES),), generator=stream)
    return [part.view(shape) for part, shape in zip(flat.split(SIZES), SHAPES, strict=True)]


class Ours:
    """Return a stack of weights, all 1 and padded, and its optimizer."""

    def __init__(self, settings: Sequence[OptimizerSettings], way: str) -> None:
        self.weights = torch.ones(len(settings), PADDED)
        parts = self.weights[:, : sum(SIZES)].split(SIZES, dim=1)
        self.parameters = [part.view(-1, *shape) for part, shape in zip(parts, SHAPES, strict=True)]
        self.optimizer = StackedOptimizer(self.weights, self.parameters, settings, fused=WAYS[way])

    def update(self, step: int, of_members: Sequence[list[Tensor]]) -> None:
        rates = torch.tensor(self.optimizer.rates(step), dtype=self.optimizer.rates_dtype)
        self.optimizer.update([torch.stack(parts) for parts in zip(*of_members, strict=True)], rates)

    def train(self, members: Sequence[int], steps: range = range(STEPS), sick: int | None = None) -> "Ours":
        for step in steps:
            drawn = [gradients(member, step) for member in members]
            if sick is not None:
                drawn[sick][1][2] = float("nan")
            self.update(step, drawn)
        return self


def ours(settings: Sequence[OptimizerSettings], way: str) -> Tensor:
    """Return the weights after all steps, (M, 35), and expect an unchanged padding."""
    trained = Ours(settings, way).train(range(len(settings))).weights
    assert (trained[:, sum(SIZES) :] == 1).all()
    return trained[:, : sum(SIZES)]


def torchs(make: TorchOptimizer, member: int, change: Change = lambda weights: None) -> Tensor:
    """Return the weights after all steps, (35,); `change` modifies their gradients before each update."""
    weights = [torch.ones(shape, requires_grad=True) for shape in SHAPES]
    optimizer = make(weights)
    for step in range(STEPS):
        for weight, gradient in zip(weights, gradients(member, step), strict=True):
            weight.grad = gradient
        change(weights)
        optimizer.step()
    return torch.cat([weight.detach().flatten() for weight in weights])


@every_way
@pytest.mark.parametrize("kind", SAME)
def test_an_update_rule_equals_torchs(kind: str, way: str) -> None:
    settings, make = SAME[kind]
    assert torch.allclose(ours([settings], way)[0], torchs(make, 0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", SAME)
def test_a_rule_without_fused_kernels_updates_slices_by_its_one_formula(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, make = SAME[kind]
    monkeypatch.setattr(type(RULES[settings.kind]), "update_slices", UpdateRule.update_slices)
    together = ours([settings] * 2, "slices")
    for member in range(2):
        assert torch.allclose(together[member], torchs(make, member), rtol=1e-6, atol=1e-7)


def test_every_kind_of_the_settings_has_an_update_rule() -> None:
    assert set(RULES) == set(KINDS)


@every_way
@pytest.mark.parametrize("kind", SAME)
def test_transposed_gradients_are_the_same_gradients(kind: str, way: str) -> None:
    """The layout is that of double backward; fused kernels would read it in the order of memory."""
    settings = [SAME[kind][0]] * 2
    plain, transposed = Ours(settings, way), Ours(settings, way)
    for step in range(3):
        drawn = [gradients(member, step) for member in range(2)]
        plain.update(step, drawn)
        weights = [torch.stack(parts) for parts in zip(*drawn, strict=True)]
        turned = [weight.mT.contiguous().mT if weight.ndim > 2 else weight for weight in weights]
        assert not all(weight.is_contiguous() for weight in turned)
        rates = torch.tensor(transposed.optimizer.rates(step), dtype=transposed.optimizer.rates_dtype)
        transposed.optimizer.update(turned, rates)
    assert torch.equal(plain.weights, transposed.weights)


@every_way
def test_members_of_all_kinds_in_one_stack_equal_torchs_each(way: str) -> None:
    kinds = ["adam", "sgd with momentum", "sgd", "sgd", "rmsprop", "adam"]
    together = ours([SAME[kind][0] for kind in kinds], way)
    for member, kind in enumerate(kinds):
        assert torch.allclose(together[member], torchs(SAME[kind][1], member), rtol=1e-6, atol=1e-7)


@every_way
def test_members_keep_their_own_rates(way: str) -> None:
    together = ours([Adam(rate, epsilon=1e-8, numerics="torch") for rate in (1e-4, 1e-2)], way)
    for member, rate in enumerate((1e-4, 1e-2)):
        alone = torchs(lambda weights, rate=rate: torch.optim.Adam(weights, rate, eps=1e-8), member)  # type: ignore[misc]
        assert torch.allclose(together[member], alone, rtol=1e-6, atol=1e-7)


# ---------------------------------------------------------------------------------------------------------------------
# Clipping


def plain_sgd(weights: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, 0.01)


@every_way
def test_clipping_by_value_is_torchs_and_each_members_own(way: str) -> None:
    together = ours([SGD(0.01, clip_value=1.0), SGD(0.01)], way)
    clipped = torchs(plain_sgd, 0, lambda weights: torch.nn.utils.clip_grad_value_(weights, 1.0))
    assert torch.allclose(together[0], clipped, rtol=1e-6)
    assert torch.allclose(together[1], torchs(plain_sgd, 1), rtol=1e-6)


@every_way
def test_clipping_by_norm_is_torchs_over_a_members_whole_gradient(way: str) -> None:
    """Equal neighbours share a fused call but are clipped by their own norms; 15 is above some norms."""
    limits = [1.0, 1.0, None, 15.0]
    together = ours([SGD(0.01, clip_norm=limit) for limit in limits], way)
    for member, limit in enumerate(limits):

        def clip(weights: list[Tensor], limit: float | None = limit) -> None:
            if limit is not None:
                torch.nn.utils.clip_grad_norm_(weights, limit)

        # torch divides by the norm plus 1e-6, Keras by the norm
        assert torch.allclose(together[member], torchs(plain_sgd, member, clip), rtol=1e-5, atol=1e-6)


@every_way
def test_the_norm_is_clipped_before_the_elements_as_in_keras(way: str) -> None:
    given = [torch.zeros(shape) for shape in SHAPES]
    given[0][0, 0], given[3][6, 1] = 3.0, -40.0
    stack = Ours([SGD(1.0, clip_value=0.5, clip_norm=1.0)], way)
    stack.update(0, [given])
    moved = 1 - stack.weights[0, [0, sum(SIZES) - 1]]
    assert moved.tolist() == pytest.approx([3.0 / math.hypot(3, 40), -0.5])


@every_way
def test_a_gradient_of_0_is_clipped_to_0(way: str) -> None:
    stack = Ours([SGD(1.0, clip_norm=1.0)], way)
    stack.update(0, [[torch.zeros(shape) for shape in SHAPES]])
    assert (stack.weights == 1).all()


# ---------------------------------------------------------------------------------------------------------------------
# Features that torch lacks


@every_way
@pytest.mark.parametrize("kind", ["sgd", "rmsprop", "adam"])
def test_three_updates_equal_keras_formulas_worked_by_hand(kind: str, way: str) -> None:
    """Follow `optimizers.py` of Keras 2.2 in Python floats; torch has no such decay."""
    rate, decay, rho, beta1, beta2, momentum, epsilon = 0.1, 0.5, 0.9, 0.9, 0.999, 0.5, 1e-3
    weight, velocity, square, first, second = 1.0, 0.0, 0.0, 0.0, 0.0
    for t, gradient in enumerate((0.5, -2.0, 0.25)):
        lr = rate / (1 + decay * t)
        if kind == "sgd":
            velocity = momentum * velocity - lr * gradient
            weight += velocity
        elif kind == "rmsprop":
            square = rho * square + (1 - rho) * gradient**2
            weight -= lr * gradient / (square**0.5 + epsilon)
        else:
            first, second = beta1 * first + (1 - beta1) * gradient, beta2 * second + (1 - beta2) * gradient**2
            corrected = lr * (1 - beta2 ** (t + 1)) ** 0.5 / (1 - beta1 ** (t + 1))
            weight -= corrected * first / (second**0.5 + epsilon)
    chosen: dict[str, dict[str, Any]] = {
        "sgd": {"momentum": momentum},
        "rmsprop": {"rho": rho, "epsilon": epsilon},
        "adam": {"epsilon": epsilon},
    }
    stack = Ours([KINDS[kind](rate, decay=decay, **chosen[kind])], way)
    for step, gradient in enumerate((0.5, -2.0, 0.25)):
        stack.update(step, [[torch.full(shape, gradient) for shape in SHAPES]])
    assert stack.weights[0, 0].item() == pytest.approx(weight, rel=1e-6)
    assert (stack.weights[0, : sum(SIZES)] == stack.weights[0, 0]).all()


# ---------------------------------------------------------------------------------------------------------------------
# Members and their state


@every_way
@pytest.mark.parametrize("kind", SAME)
def test_a_member_of_nan_leaves_its_neighbours_bit_identical(kind: str, way: str) -> None:
    settings = [replace(SAME[kind][0], clip_value=5.0, clip_norm=10.0)] * 3
    sound = Ours(settings, way).train(range(3), range(5)).weights
    beside = Ours(settings, way).train(range(3), range(5), sick=1).weights
    assert beside[1].isnan().any()
    assert torch.equal(beside[[0, 2]], sound[[0, 2]])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SAME)
def test_a_member_is_bit_identical_alone_and_in_a_stack(kind: str, way: str) -> None:
    settings = replace(SAME[kind][0], clip_norm=10.0)
    together = Ours([settings] * 3, way).train(range(3), range(10)).weights
    for member in range(3):
        assert torch.equal(Ours([settings], way).train([member], range(10)).weights[0], together[member])


@pytest.mark.parametrize("way", WAYS)
def test_a_fresh_optimizer_with_the_state_of_another_continues_as_that_one(way: str) -> None:
    settings = [SAME[kind][0] for kind in ("adam", "adam", "sgd with momentum", "rmsprop")]
    of_kinds = [(slice(0, 2), {"first", "second"}), (slice(2, 3), {"first"}), (slice(3, 4), {"second"})]
    unbroken, fresh = Ours(settings, way).train(range(4), range(5)), Ours(settings, way)
    fresh.weights.copy_(unbroken.weights)
    for rows, expected in of_kinds:
        state, resumed_state = unbroken.optimizer.state(rows), fresh.optimizer.state(rows)
        assert set(state) == set(resumed_state) == expected
        for name, moment in resumed_state.items():
            moment.copy_(state[name])
    for trained in (unbroken, fresh):
        trained.train(range(4), range(5, 10))
    assert torch.equal(fresh.weights, unbroken.weights)


def test_every_member_needs_an_optimizer() -> None:
    weights = torch.ones(2, 3)
    with pytest.raises(ValueError, match="found 1 optimizers for 2 members"):
        StackedOptimizer(weights, [weights], [SGD(0.1)])
