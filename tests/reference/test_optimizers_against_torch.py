"""Our stacked optimizers beside `torch.optim`, which nobody here wrote, on the same gradients."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.settings import OptimizerSettings
from pipeline.training.optimizers import StackedOptimizer

STEPS = 50
TorchOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]

SAME = {
    "sgd": (
        OptimizerSettings("sgd", 0.01, momentum=0.5),
        lambda weights: torch.optim.SGD(weights, 0.01, momentum=0.5),
    ),
    "rmsprop": (
        OptimizerSettings("rmsprop", 2e-4, rho=0.9, epsilon=1e-7),
        lambda weights: torch.optim.RMSprop(weights, 2e-4, alpha=0.9, eps=1e-7),
    ),
    "adam": (
        OptimizerSettings("adam", 2e-4, beta1=0.5, epsilon=1e-8, numerics="torch"),
        lambda weights: torch.optim.Adam(weights, 2e-4, betas=(0.5, 0.999), eps=1e-8),
    ),
}


def gradients(member: int, step: int) -> Tensor:
    stream = torch.Generator().manual_seed(1000 * member + step)
    return torch.randn(40, generator=stream) * 10.0 ** torch.randint(-6, 2, (40,), generator=stream)


def ours(settings: list[OptimizerSettings], steps: int = STEPS) -> Tensor:
    weights = torch.ones(len(settings), 40)
    optimizer = StackedOptimizer(weights, settings)
    for step in range(steps):
        optimizer.update([torch.stack([gradients(member, step) for member in range(len(settings))])])
    return weights


def torchs(make: TorchOptimizer, member: int, change: Callable[[Tensor], Tensor] = lambda gradient: gradient) -> Tensor:
    weights = torch.ones(40, requires_grad=True)
    optimizer = make([weights])
    for step in range(STEPS):
        weights.grad = change(gradients(member, step))
        optimizer.step()
    return weights.detach()


@pytest.mark.parametrize("kind", SAME)
def test_an_update_rule_equals_torchs(kind: str) -> None:
    settings, make = SAME[kind]
    assert torch.allclose(ours([settings])[0], torchs(make, 0), rtol=1e-6, atol=1e-7)


def test_members_of_all_kinds_in_one_stack_equal_torchs_each() -> None:
    kinds = ["adam", "sgd", "sgd", "rmsprop", "adam"]
    together = ours([SAME[kind][0] for kind in kinds])
    for member, kind in enumerate(kinds):
        assert torch.allclose(together[member], torchs(SAME[kind][1], member), rtol=1e-6, atol=1e-7)


def test_members_keep_their_own_rates() -> None:
    rates = [1e-4, 1e-2]
    together = ours([OptimizerSettings("adam", rate, epsilon=1e-8, numerics="torch") for rate in rates])
    for member, rate in enumerate(rates):
        alone = torchs(lambda weights, rate=rate: torch.optim.Adam(weights, rate, eps=1e-8), member)  # type: ignore[misc]
        assert torch.allclose(together[member], alone, rtol=1e-6, atol=1e-7)


def test_clipping_is_torchs_element_wise_clipping() -> None:
    settings = [OptimizerSettings("sgd", 0.01, clip_value=1.0), OptimizerSettings("sgd", 0.01)]
    clipped = torchs(lambda weights: torch.optim.SGD(weights, 0.01), 0, lambda gradient: gradient.clamp(-1, 1))
    together = ours(settings)
    assert torch.allclose(together[0], clipped, rtol=1e-6)
    assert torch.allclose(together[1], torchs(lambda weights: torch.optim.SGD(weights, 0.01), 1), rtol=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "rmsprop", "adam"])
def test_three_updates_equal_keras_formulas_worked_by_hand(kind: str) -> None:
    """Keras 2.2 `optimizers.py`, in Python floats; decay is what torch has no like of."""
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
    chosen: dict[str, dict[str, Any]] = {"sgd": {"momentum": momentum}, "rmsprop": {"rho": rho}, "adam": {}}
    settings = OptimizerSettings(kind, rate, decay=decay, epsilon=epsilon, **chosen[kind])
    weights = torch.ones(1, 1)
    optimizer = StackedOptimizer(weights, [settings])
    for gradient in (0.5, -2.0, 0.25):
        optimizer.update([torch.tensor([[gradient]])])
    assert weights.item() == pytest.approx(weight, rel=1e-6)


def test_every_member_needs_an_optimizer() -> None:
    with pytest.raises(ValueError, match="found 1 optimizers for 2 members"):
        StackedOptimizer(torch.ones(2, 3), [OptimizerSettings("sgd", 0.1)])
