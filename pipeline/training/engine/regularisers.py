"""Regularisers of the discriminator. Each member's penalty depends on its own network and images alone.

- Gradient penalty: E[(|∇D(x̂)| - 1)²], x̂ on the lines between real and generated images (Gulrajani et al. 2017,
  arXiv 1704.00028, algorithm 1; weight 10 there).
- R1: E[|∇D(x)|²] / 2 on real images x (Mescheder et al. 2018, arXiv 1801.04406, equation 9; weight 10 there).
- Instance noise: N(0, s) on every image the discriminator is trained on (Sønderby et al. 2017, arXiv 1610.04490).
- Weight clipping: weights in [-c, c] after every update (Arjovsky et al. 2017, arXiv 1701.07875; c = 0.01 there).

Spectral normalisation is a property of the layers: `networks/normalisation.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.networks.stacked import Stacked


def gradient_penalty(discriminator: Stacked, real: Tensor, generated: Tensor, positions: Tensor) -> Tensor:
    """Return the penalty (M,) from images (M, B, C, H, W) and positions (M, B) in [0, 1); 1 is the real image."""
    share_of_real = positions[:, :, None, None, None]
    gradients = _image_gradients(discriminator, generated + share_of_real * (real - generated))
    norms = torch.linalg.vector_norm(gradients, dim=2)  # its derivative at 0 is 0; that of a square root is infinite
    penalty: Tensor = (norms - 1).square().mean(dim=1)
    return penalty


def r1_penalty(discriminator: Stacked, real: Tensor) -> Tensor:
    """Return the penalty (M,) from real images (M, B, C, H, W)."""
    return _image_gradients(discriminator, real).square().sum(dim=2).mean(dim=1) / 2


def _image_gradients(discriminator: Stacked, images: Tensor) -> Tensor:
    """Return ∂ logit / ∂ image of each image, (M, B, C * H * W), itself differentiable."""
    images = images.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradients.flatten(2)


def noise_scale(at_start: Tensor, steps: int, step: int) -> Tensor:
    """Return the standard deviation of instance noise at a step: constant, or falling linearly to 0 over `steps`."""
    return at_start if steps == 0 else at_start * max(0.0, 1 - step / steps)
