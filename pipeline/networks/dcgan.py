"""DCGAN for 28x28 grey images, 32 channels wide: 778,241 parameters against 36,577.

Source: Radford et al. 2016, arXiv 1511.06434, sections 3 and 4: strided convolutions, batch normalisation everywhere
but in the generator's output and the discriminator's input layer, ReLU against leaky ReLU, weights from N(0, 0.02).
Narrower than theirs, and two strides of 2, as 28 = 4 x 7. The sigmoid belongs to the loss here.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from pipeline.networks.convolution import Conv2d, ConvTranspose2d
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, Score, Stacked, tanh
from pipeline.networks.normalisation import BatchNorm

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "normal"
IMAGE_SHAPE = (1, 28, 28)
HAS_DROPOUT = False
WIDTH = 32  # channels at 14x14 in the discriminator
SMALLEST = (4 * WIDTH, 7, 7)  # what the generator's dense layer makes
SLOPE = 0.2  # of the leaky ReLU below zero
STD = 0.02  # of the initial weights and of the batch normalisations' scales


class Generator(Stacked):
    """Dense to 128 channels of 7x7 → transposed convolution to 64 of 14x14 → to 1 of 28x28 → tanh."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        features = SMALLEST[0] * SMALLEST[1] * SMALLEST[2]
        self.dense = Dense(members, LATENT_SIZE, features, std=STD)
        self.dense_norm = BatchNorm(members, features, std=STD)  # every feature by itself, before the reshape
        # no bias before a normalisation: its shift is one
        self.middle = ConvTranspose2d(members, SMALLEST[0], 2 * WIDTH, 4, stride=2, padding=1, bias=False, std=STD)
        self.middle_norm = BatchNorm(members, 2 * WIDTH, std=STD)
        self.output = ConvTranspose2d(members, 2 * WIDTH, 1, 4, stride=2, padding=1, std=STD)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (M, B, 100) → images (M, B, 1, 28, 28) in [-1, 1]."""
        dense = F.relu(self.dense_norm(self.dense(latents)))
        dense = dense.view(*latents.shape[:2], *SMALLEST)
        middle = F.relu(self.middle_norm(self.middle(dense)))
        return tanh(self.output(middle))


class Discriminator(Stacked):
    """Convolution to 32 channels of 14x14 → to 64 of 7x7 → dense 1."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members
        self.input = Conv2d(members, 1, WIDTH, 4, stride=2, padding=1, std=STD)
        self.middle = Conv2d(members, WIDTH, 2 * WIDTH, 4, stride=2, padding=1, bias=False, std=STD)
        self.middle_norm = BatchNorm(members, 2 * WIDTH, std=STD)
        self.output = Score(members, 2 * WIDTH * 7 * 7, std=STD)

    def forward(self, images: Tensor) -> Tensor:
        """Images (M, B, 1, 28, 28) in [-1, 1] → logits (M, B): positive means real."""
        large = F.leaky_relu(self.input(images), SLOPE)
        small = F.leaky_relu(self.middle_norm(self.middle(large)), SLOPE)
        return self.output(small.flatten(2))  # type: ignore[no-any-return]
