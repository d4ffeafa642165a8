import math

import pytest
import torch

from pipeline.training import losses


def test_cross_entropy_is_the_textbooks_in_each_member() -> None:
    logits = torch.tensor([[0.0, 2.0], [-1.0, 3.0]])
    labels = torch.tensor([[0.9], [1.0]])

    def by_hand(logit: float, label: float) -> float:
        probability = 1 / (1 + math.exp(-logit))
        return -label * math.log(probability) - (1 - label) * math.log(1 - probability)

    expected = [(by_hand(0.0, 0.9) + by_hand(2.0, 0.9)) / 2, (by_hand(-1.0, 1.0) + by_hand(3.0, 1.0)) / 2]
    assert losses.cross_entropy(logits, labels).tolist() == pytest.approx(expected, rel=1e-6)


def test_an_undecided_discriminator_costs_log_two_everywhere() -> None:
    undecided = torch.zeros(1, 4)
    for value in (
        losses.discriminator_loss_on_real(undecided, torch.ones(1, 1)),
        losses.discriminator_loss_on_generated(undecided),
        losses.generator_loss(undecided),
    ):
        assert value.item() == pytest.approx(math.log(2))


def test_a_smoothed_real_label_is_best_met_at_its_own_probability() -> None:
    at = {
        logit: losses.discriminator_loss_on_real(torch.tensor([[logit]]), torch.tensor([[0.9]])).item()
        for logit in (1.0, math.log(9), 5.0)
    }
    assert min(at, key=at.__getitem__) == math.log(9)  # σ(log 9) = 0.9


def test_generated_labels_are_never_smoothed() -> None:
    assert losses.discriminator_loss_on_generated(torch.tensor([[-50.0]])).item() == pytest.approx(0.0, abs=1e-12)


def test_large_logits_stay_finite() -> None:
    extreme = torch.tensor([[1e4, -1e4]])
    assert torch.isfinite(losses.cross_entropy(extreme, torch.tensor([[0.5]]))).all()


def test_the_share_called_real_counts_positive_logits() -> None:
    assert losses.share_called_real(torch.tensor([[1.0, -1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist() == [0.5, 1.0]
