"""The notebook's dense GAN for 28x28 grey images: 114,064 parameters against 100,609.

Source: notebook "Using GAN for Generating Hand-written Digit Images" (Keras 2). Its sigmoid belongs to the loss here
(binary cross entropy on logits).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, Score, Stacked, tanh

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "normal"
HIDDEN_SIZE = 128
IMAGE_SHAPE = (1, 28, 28)
PIXELS = 28 * 28
SLOPE = 0.01  # of the leaky ReLU below zero
HAS_DROPOUT = False


class Generator(Stacked):
    """Dense 128 → leaky ReLU → dense 784 → tanh."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        self.hidden = Dense(members, LATENT_SIZE, HIDDEN_SIZE)
        self.output = Dense(members, HIDDEN_SIZE, PIXELS)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (M, B, 100) → images (M, B, 1, 28, 28) in [-1, 1]."""
        hidden = F.leaky_relu(self.hidden(latents), SLOPE)
        return tanh(self.output(hidden)).view(*latents.shape[:2], *IMAGE_SHAPE)


class Discriminator(Stacked):
    """Dense 128 → leaky ReLU → dense 1."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        self.hidden = Dense(members, PIXELS, HIDDEN_SIZE)
        self.output = Score(members, HIDDEN_SIZE)

    def forward(self, images: Tensor) -> Tensor:
        """Images (M, B, 1, 28, 28) in [-1, 1] → logits (M, B): positive means real."""
        hidden = F.leaky_relu(self.hidden(images.flatten(2)), SLOPE)
        return self.output(hidden)  # type: ignore[no-any-return]
