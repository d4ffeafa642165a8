"""Losses and accuracies of one step, per member. Logits (M, B) in, values (M,) out; positive logits mean "real".

Source: Goodfellow et al. 2014, arXiv 1406.2661 (the non-saturating generator loss of its section 3);
one-sided label smoothing: Salimans et al. 2016, arXiv 1606.03498, section 3.4.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of logits (M, B) with labels (M, 1) in [0, 1], averaged over the batch → (M,)."""
    return F.binary_cross_entropy_with_logits(logits, labels.expand_as(logits), reduction="none").mean(dim=1)


def discriminator_loss_on_real(logits: Tensor, real_label: Tensor) -> Tensor:
    """The discriminator should give real images the label `real_label` (M, 1): 1, or less when smoothed."""
    return cross_entropy(logits, real_label)


def discriminator_loss_on_generated(logits: Tensor) -> Tensor:
    """The discriminator should give generated images the label 0, never smoothed."""
    return cross_entropy(logits, logits.new_zeros(len(logits), 1))


def generator_loss(logits: Tensor) -> Tensor:
    """The generator wants its images to get the label 1 (non-saturating)."""
    return cross_entropy(logits, logits.new_ones(len(logits), 1))


def share_called_real(logits: Tensor) -> Tensor:
    """The share of a batch that the discriminator calls real → (M,)."""
    return (logits > 0).float().mean(dim=1)
