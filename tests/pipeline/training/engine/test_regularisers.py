"""Penalties beside closed forms: a linear discriminator w·x has the gradient w everywhere."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.networks.stacked import Stacked
from pipeline.training.engine.regularisers import gradient_penalty, noise_scale, r1_penalty

SHAPE = (2, 4, 1, 3, 3)  # (M, B, C, H, W)


class Linear(Stacked):
    """A discriminator with the logit w·x."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.members, self.weight = len(weights), nn.Parameter(weights)  # (M, 9)

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(2) * self.weight[:, None]).sum(dim=2)


class Quadratic(Linear):
    """logit = (w·x)² / 2, with the gradient (w·x) w."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).square() / 2


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weights() -> Tensor:
    return draw(0, 2, 9) * torch.tensor([[0.1], [2.0]])


def images() -> tuple[Tensor, Tensor, Tensor]:
    """Real ones, generated ones and positions."""
    return draw(1, *SHAPE), draw(2, *SHAPE), torch.rand(SHAPE[:2], generator=torch.Generator().manual_seed(3))


def derivative(penalty: Tensor, discriminator: Linear) -> Tensor:
    return torch.autograd.grad(penalty.sum(), discriminator.weight)[0]


def test_the_gradient_penalty_of_a_linear_discriminator_is_its_squared_distance_from_slope_1() -> None:
    w, discriminator = weights(), Linear(weights())
    norms = w.norm(dim=1)
    penalty = gradient_penalty(discriminator, *images())
    assert torch.allclose(penalty, (norms - 1).square(), rtol=1e-5)
    expected = 2 * (norms - 1)[:, None] * w / norms[:, None]
    assert torch.allclose(derivative(penalty, discriminator), expected, rtol=1e-5)


def test_r1_of_a_linear_discriminator_is_half_its_squared_weights() -> None:
    w, discriminator = weights(), Linear(weights())
    penalty = r1_penalty(discriminator, images()[0])
    assert torch.allclose(penalty, w.square().sum(dim=1) / 2, rtol=1e-5)
    assert torch.allclose(derivative(penalty, discriminator), w, rtol=1e-5)


def test_the_gradient_penalty_is_taken_between_the_images_and_position_1_is_the_real_one() -> None:
    w, (real, generated, positions) = weights(), images()
    positions[:, 0], positions[:, 1] = 1.0, 0.0
    between = positions[..., None] * real.flatten(2) + (1 - positions[..., None]) * generated.flatten(2)
    slopes = (between * w[:, None]).sum(dim=2).abs() * w.norm(dim=1, keepdim=True)  # (M, B)
    penalty = gradient_penalty(Quadratic(w), real, generated, positions)
    assert torch.allclose(penalty, (slopes - 1).square().mean(dim=1), rtol=1e-5)


def test_r1_is_the_mean_over_images() -> None:
    w, (real, *_) = weights(), images()
    slopes = (real.flatten(2) * w[:, None]).sum(dim=2) * w.norm(dim=1, keepdim=True)
    assert torch.allclose(r1_penalty(Quadratic(w), real), slopes.square().mean(dim=1) / 2, rtol=1e-5)


@pytest.mark.parametrize("name", ["gradient penalty", "R1"])
def test_a_member_of_nan_leaves_the_other_one_as_it_was(name: str) -> None:
    def penalty(discriminator: Linear) -> Tensor:
        real, generated, positions = images()
        if name == "R1":
            return r1_penalty(discriminator, real)
        return gradient_penalty(discriminator, real, generated, positions)

    sick = weights()
    sick[0, 4] = float("nan")
    sound, beside = Quadratic(weights()), Quadratic(sick)
    assert penalty(beside)[0].isnan()
    assert torch.equal(penalty(beside)[1], penalty(sound)[1])
    assert torch.equal(derivative(penalty(beside), beside)[1], derivative(penalty(sound), sound)[1])


def test_a_discriminator_without_slope_is_penalised_by_1_with_a_finite_derivative() -> None:
    discriminator = Quadratic(torch.zeros(2, 9))
    penalty = gradient_penalty(discriminator, *images())
    assert penalty.tolist() == [1.0, 1.0]
    assert torch.isfinite(derivative(penalty, discriminator)).all()


def test_penalties_do_not_reach_the_generator() -> None:
    real, generated, positions = images()
    generated.requires_grad_()
    penalty = gradient_penalty(Quadratic(weights()), real, generated, positions)
    (reached,) = torch.autograd.grad(penalty.sum(), generated, allow_unused=True)
    assert reached is None


@pytest.mark.parametrize(
    ("steps", "step", "expected"), [(0, 0, 0.4), (0, 10**6, 0.4), (100, 0, 0.4), (100, 25, 0.3), (100, 100, 0.0)]
)
def test_instance_noise_stays_or_falls_linearly(steps: int, step: int, expected: float) -> None:
    assert noise_scale(torch.tensor([0.4]), steps, step).item() == pytest.approx(expected)


def test_instance_noise_that_has_faded_does_not_come_back() -> None:
    assert noise_scale(torch.tensor([0.4]), 100, 150).item() == 0.0
