from dataclasses import replace

import pytest

from pipeline.settings import TrainingSettings
from pipeline.training.divergence import divergence
from pipeline.training.records.history import Measured
from tests.pipeline.training.conftest import settings

HEALTHY = Measured(
    discriminator_loss_real=0.61,
    discriminator_loss_generated=0.52,
    generator_loss=1.2,
    discriminator_accuracy=0.7,
    adversarial_accuracy=0.3,
    discriminator_output_real=0.6,
    discriminator_output_generated=0.4,
    discriminator_penalty=0.0,
    discriminator_gradient_norm=0.8,
    generator_gradient_norm=1.5,
)
LEAST_WITH_LABEL_09 = 0.3250829  # -0.9 ln 0.9 - 0.1 ln 0.1


def trained_for(loss: str = "non_saturating", real_label: float = 1.0) -> TrainingSettings:
    of_recipe = settings("adam")
    return replace(of_recipe, objective=replace(of_recipe.objective, loss=loss, real_label=real_label))


def judged(settings: TrainingSettings, **changes: float) -> str | None:
    return divergence(replace(HEALTHY, **changes), settings, weights_are_finite=True)


def pinned(settings: TrainingSettings, on_real: float, on_generated: float) -> bool:
    reason = judged(settings, discriminator_loss_real=on_real, discriminator_loss_generated=on_generated)
    return reason is not None and "discriminator's loss is pinned at 0" in reason


def test_a_healthy_member_continues() -> None:
    assert judged(trained_for()) is None


def test_weights_that_are_not_finite_end_a_member() -> None:
    reason = divergence(HEALTHY, trained_for(), weights_are_finite=False)
    assert reason == "its weights or losses are not finite: lower its rates"


@pytest.mark.parametrize("name", ["discriminator_loss_real", "discriminator_loss_generated", "generator_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_ends_a_member(name: str, value: float) -> None:
    assert judged(trained_for(), **{name: value}) == "its weights or losses are not finite: lower its rates"
    assert judged(trained_for("wasserstein"), **{name: 1e6 if value > 0 else -1e6}) is None


@pytest.mark.parametrize("name", ["discriminator_gradient_norm", "generator_gradient_norm"])
def test_a_gradient_longer_than_the_limit_ends_a_member(name: str) -> None:
    assert judged(trained_for(), **{name: 9_999.0}) is None
    reason = "a gradient has norm 1e+04 (limit 10000): lower its rates or set clip_norm"
    assert judged(trained_for(), **{name: 10_001.0}) == reason
    assert judged(trained_for(), **{name: float("inf")}) is not None


def test_a_discriminators_loss_at_0_ends_a_member() -> None:
    assert pinned(trained_for(), 4e-5, 4e-5)
    assert not pinned(trained_for(), 6e-5, 6e-5)


def test_a_smoothed_label_raises_the_least_loss_that_counts_as_0() -> None:
    smoothed = trained_for(real_label=0.9)
    assert pinned(smoothed, 0.3251, 1e-7)
    assert pinned(smoothed, LEAST_WITH_LABEL_09 - 1e-6, 0.0)  # rounded below its least
    assert not pinned(smoothed, LEAST_WITH_LABEL_09, 1.1e-4)
    assert not pinned(trained_for(), 0.3251, 1e-7)


@pytest.mark.parametrize("loss", ["minimax", "least_squares", "hinge"])
def test_every_loss_that_has_a_least_value_can_be_pinned(loss: str) -> None:
    assert pinned(trained_for(loss), 0.0, 0.0)
    assert not pinned(trained_for(loss), 0.0, 2e-4)


@pytest.mark.parametrize("total", [0.0, -3.0, -1e3])
def test_a_wasserstein_loss_is_never_pinned(total: float) -> None:
    changes = {"discriminator_loss_real": total, "discriminator_loss_generated": 0.0}
    assert judged(trained_for("wasserstein"), **changes) is None
