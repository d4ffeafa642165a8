import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline import objectives
from pipeline.training.engine.losses import LOSS_FUNCTIONS, flipped

EXTREME = [0.0, 1e-6, -0.999, 0.999, 1.001, -1.001, 20.0, -20.0, 100.0, -100.0, 1e4, -1e4]


def logits() -> Tensor:
    """(2, 44): two members, moderate and extreme ones."""
    moderate = 3 * torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    return torch.cat([moderate, torch.tensor([EXTREME, EXTREME])], dim=1)


def derivative(value: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    values = values.clone().requires_grad_()
    return torch.autograd.grad(value(values).sum(), values)[0]


def test_the_table_of_settings_and_the_table_of_formulas_name_the_same_losses() -> None:
    assert tuple(LOSS_FUNCTIONS) == tuple(objectives.LOSS_FACTS)


@pytest.mark.parametrize("name", LOSS_FUNCTIONS)
def test_slopes_are_autograds_derivatives_of_the_values(name: str) -> None:
    loss, values, labels = LOSS_FUNCTIONS[name], logits(), torch.tensor([[0.9], [1.0]])
    pairs = [
        (loss.slope_on_real(values, labels), derivative(lambda each: loss.on_real(each, labels), values)),
        (loss.slope_on_generated(values), derivative(loss.on_generated, values)),
        (loss.slope_for_generator(values), derivative(loss.for_generator, values)),
    ]
    for slope, by_autograd in pairs:
        assert slope.dtype == torch.float32
        assert torch.allclose(slope, by_autograd, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOSS_FUNCTIONS)
def test_large_logits_stay_finite(name: str) -> None:
    loss, logits_at, label = LOSS_FUNCTIONS[name], torch.tensor([[1e4, -1e4]]), torch.tensor([[0.9]])
    values = (
        loss.on_real(logits_at, label),
        loss.on_generated(logits_at),
        loss.for_generator(logits_at),
        loss.output(logits_at),
    )
    slopes = (
        loss.slope_on_real(logits_at, label),
        loss.slope_on_generated(logits_at),
        loss.slope_for_generator(logits_at),
    )
    assert all(torch.isfinite(values_of_loss).all() for values_of_loss in (*values, *slopes))


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
@pytest.mark.parametrize(("logit", "label"), [(0.0, 1.0), (2.0, 0.9), (-3.0, 0.7), (15.0, 1.0)])
def test_cross_entropies_are_the_textbooks(name: str, logit: float, label: float) -> None:
    loss, value = LOSS_FUNCTIONS[name], torch.tensor([[logit]], dtype=torch.float64)
    p = 1 / (1 + math.exp(-logit))
    on_real = -label * math.log(p) - (1 - label) * math.log(1 - p)
    for_generator = -math.log(p) if name == "non_saturating" else math.log(1 - p)
    assert loss.on_real(value, torch.tensor([[label]], dtype=torch.float64)).item() == pytest.approx(on_real, rel=1e-9)
    assert loss.on_generated(value).item() == pytest.approx(-math.log(1 - p), rel=1e-9)
    assert loss.for_generator(value).item() == pytest.approx(for_generator, rel=1e-9)
    assert loss.output(value).item() == pytest.approx(p, rel=1e-12)


def test_cross_entropies_are_torchs_with_a_label_for_each_member() -> None:
    values, labels = logits(), torch.tensor([[0.9], [1.0]])
    expected = F.binary_cross_entropy_with_logits(values, labels.expand_as(values), reduction="none")
    assert torch.allclose(LOSS_FUNCTIONS["non_saturating"].on_real(values, labels), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "on_real", "on_generated", "for_generator"),
    [
        ("least_squares", [5.78, 0.005, 2.205], [3.125, 0.5, 4.5], [6.125, 0.0, 2.0]),
        ("hinge", [3.5, 0.0, 0.0], [0.0, 2.0, 4.0], [2.5, -1.0, -3.0]),
        ("wasserstein", [2.5, -1.0, -3.0], [-2.5, 1.0, 3.0], [2.5, -1.0, -3.0]),
    ],
)
def test_losses_without_logarithms_have_the_values_worked_by_hand(
    name: str, on_real: list[float], on_generated: list[float], for_generator: list[float]
) -> None:
    loss, values = LOSS_FUNCTIONS[name], torch.tensor([[-2.5, 1.0, 3.0]])
    assert loss.on_real(values, torch.tensor([[0.9]]))[0].tolist() == pytest.approx(on_real)
    assert loss.on_generated(values)[0].tolist() == pytest.approx(on_generated)
    assert loss.for_generator(values)[0].tolist() == pytest.approx(for_generator)
    assert torch.equal(loss.output(values), values)


@pytest.mark.parametrize("name", [name for name in LOSS_FUNCTIONS if name != "wasserstein"])
@pytest.mark.parametrize("label", [1.0, 0.9, 0.6])
def test_the_least_value_on_real_images_is_the_minimum_over_all_logits(name: str, label: float) -> None:
    least = objectives.LOSS_FACTS[name].least
    assert least is not None
    every = torch.linspace(-40, 40, 160_001, dtype=torch.float64)
    minimum = LOSS_FUNCTIONS[name].on_real(every, torch.tensor(label, dtype=torch.float64)).min().item()
    assert least(label) == pytest.approx(minimum, abs=1e-7)


def test_the_wasserstein_loss_on_real_images_has_no_least_value() -> None:
    assert objectives.LOSS_FACTS["wasserstein"].least is None
    assert LOSS_FUNCTIONS["wasserstein"].on_real(torch.tensor([[1e6]]), torch.ones(1, 1)).item() == -1e6


@pytest.mark.parametrize("name", LOSS_FUNCTIONS)
def test_an_image_costs_equally_as_real_and_generated_at_the_boundary_and_less_as_real_above(name: str) -> None:
    loss, label = LOSS_FUNCTIONS[name], torch.ones(1, 1)
    values = torch.tensor([[loss.boundary, loss.boundary + 0.1, loss.boundary - 0.1]])
    at_it, above, below = (loss.on_real(values, label) - loss.on_generated(values))[0].tolist()
    assert at_it == pytest.approx(0.0, abs=1e-7)
    assert above < -0.05
    assert below > 0.05


def test_flips_exchange_the_classes_where_they_are_1() -> None:
    own, other = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    assert flipped(own, other, torch.tensor([[0.0, 1.0, 0.0]])).tolist() == [[1.0, 20.0, 3.0]]
