"""The blog's dense GAN with batch normalisation: 3,100,720 parameters, with running statistics, against 1,336,321
for 28x28 colour images.

Source: blog "Understanding and optimizing GANs" (Keras), after E. Linder-Norén's Keras-GAN. Keras' numerics: a batch
normalisation's momentum of 0.8 is 0.2 here, its epsilon 1e-3. The sigmoid belongs to the loss here.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks import ImageShape
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.normalisation import KERAS_EPSILON, BatchNorm
from pipeline.networks.stacked import Stacked
from pipeline.pixels import SYMMETRIC

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "normal"
VALUE_RANGE = SYMMETRIC
HAS_DROPOUT = False
WIDTH = 256  # units of the generator's first and the discriminator's last hidden layer
SLOPE = 0.2  # of the leaky ReLU below zero
MOMENTUM = 0.2  # share of a batch in the running statistics


class Generator(Stacked):
    """(Dense → leaky ReLU → batch normalisation) of 256, 512 and 1024 → dense, one unit per value → tanh."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members, self.image_shape = members, image_shape
        sizes = [LATENT_SIZE, width, 2 * width, 4 * width]
        self.hidden = nn.ModuleList(Dense(members, *pair) for pair in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(
            BatchNorm(members, size, momentum=MOMENTUM, epsilon=KERAS_EPSILON) for size in sizes[1:]
        )
        self.output = Dense(members, sizes[-1], math.prod(image_shape))

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 100) to images (M, B, C, H, W) in [-1, 1]."""
        hidden = latents
        for dense, norm in zip(self.hidden, self.norms, strict=True):
            hidden = norm(F.leaky_relu(dense(hidden), SLOPE))
        return torch.tanh(self.output(hidden)).view(*latents.shape[:2], *self.image_shape)


class Discriminator(Stacked):
    """Dense 512 → leaky ReLU → dense 256 → leaky ReLU → dense 1."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        self.first = Dense(members, math.prod(image_shape), 2 * width)
        self.second = Dense(members, 2 * width, width)
        self.output = LogitLayer(members, width)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) in [-1, 1] to logits (M, B): positive means real."""
        first = F.leaky_relu(self.first(images.flatten(2)), SLOPE)
        return self.output(F.leaky_relu(self.second(first), SLOPE))  # type: ignore[no-any-return]
