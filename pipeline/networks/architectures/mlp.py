"""The notebook's dense GAN: 114,064 parameters against 100,609 for 28x28 grey images.

Source: notebook "Using GAN for Generating Hand-written Digit Images" (Keras 2). Its sigmoid belongs to the loss here
(binary cross entropy on logits).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.networks import ImageShape
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.stacked import Stacked
from pipeline.pixels import SYMMETRIC

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "normal"
VALUE_RANGE = SYMMETRIC
HAS_DROPOUT = False
WIDTH = 128  # units of both hidden layers
SLOPE = 0.01  # of the leaky ReLU below zero


class Generator(Stacked):
    """Dense 128 → leaky ReLU → dense, one unit per pixel → tanh."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members, self.image_shape = members, image_shape
        self.hidden = Dense(members, LATENT_SIZE, width)
        self.output = Dense(members, width, math.prod(image_shape))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 100) to images (M, B, C, H, W) in [-1, 1]."""
        hidden = F.leaky_relu(self.hidden(latents), SLOPE)
        return torch.tanh(self.output(hidden)).view(*latents.shape[:2], *self.image_shape)


class Discriminator(Stacked):
    """Dense 128 → leaky ReLU → dense 1."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        self.hidden = Dense(members, math.prod(image_shape), width)
        self.output = LogitLayer(members, width)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) in [-1, 1] to logits (M, B): positive means real."""
        hidden = F.leaky_relu(self.hidden(images.flatten(2)), SLOPE)
        return self.output(hidden)  # type: ignore[no-any-return]
