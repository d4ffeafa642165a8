"""DCGAN for square images of 7 or 4 times a power of two, grey or colour: 28, 32, 64 pixels and more.

Source: Radford et al. 2016, arXiv 1511.06434, sections 3 and 4: strided convolutions, batch normalisation everywhere
but in the generator's output and the discriminator's input layer, ReLU against leaky ReLU, weights from N(0, 0.02).
At 64 pixels and width 64 the generator's layers are theirs: 1024 channels of 4x4, 512, 256, 128, then the image;
latents are N(0, 1), as in most implementations, where theirs are uniform. The width of 32 suits 28 pixels on a CPU:
778,241 parameters against 36,577. The sigmoid belongs to the loss here.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks import ImageShape
from pipeline.networks.convolution import Conv2d, ConvTranspose2d
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Stacked
from pipeline.pixels import SYMMETRIC

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "normal"
VALUE_RANGE = SYMMETRIC
HAS_DROPOUT = False
WIDTH = 32  # channels of the discriminator's first layer; every halving of the sides doubles them
SLOPE = 0.2  # of the leaky ReLU below zero
STD = 0.02  # of the initial weights and of the batch normalisations' scales
SMALLEST_SIDES = (7, 4)  # an image's side must be one of these times a power of two
KERNEL, STRIDE, PADDING = 4, 2, 1  # doubles or halves a side exactly


class Generator(Stacked):
    """Dense to the smallest image → transposed convolutions, each doubling the sides → tanh."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        side, doublings = smallest_side(image_shape)
        widths = [width * 2**power for power in range(doublings, 0, -1)]
        self.smallest = (widths[0], side, side)
        features = widths[0] * side * side
        self.dense = Dense(members, LATENT_SIZE, features, std=STD)
        self.dense_norm = BatchNorm(members, features, std=STD)  # every feature by itself, before the reshape
        # No biases: the batch normalisation behind each convolution has a shift, which does the same.
        self.hidden = nn.ModuleList(
            ConvTranspose2d(members, before, after, KERNEL, stride=STRIDE, padding=PADDING, bias=False, std=STD)
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(BatchNorm(members, channels, std=STD) for channels in widths[1:])
        self.output = ConvTranspose2d(
            members, widths[-1], image_shape[0], KERNEL, stride=STRIDE, padding=PADDING, std=STD
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 100) to images (M, B, C, H, W) in [-1, 1]."""
        images = F.relu(self.dense_norm(self.dense(latents))).view(*latents.shape[:2], *self.smallest)
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            images = F.relu(norm(convolution(images)))
        return torch.tanh(self.output(images))


class Discriminator(Stacked):
    """Convolutions, each halving the sides → dense 1."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        self.members = members
        side, halvings = smallest_side(image_shape)
        widths = [width * 2**power for power in range(halvings)]
        self.input = Conv2d(members, image_shape[0], width, KERNEL, stride=STRIDE, padding=PADDING, std=STD)
        self.hidden = nn.ModuleList(
            Conv2d(members, before, after, KERNEL, stride=STRIDE, padding=PADDING, bias=False, std=STD)
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(BatchNorm(members, channels, std=STD) for channels in widths[1:])
        self.output = LogitLayer(members, widths[-1] * side * side, std=STD)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) in [-1, 1] to logits (M, B): positive means real."""
        hidden = F.leaky_relu(self.input(images), SLOPE)
        for convolution, norm in zip(self.hidden, self.norms, strict=True):
            hidden = F.leaky_relu(norm(convolution(hidden)), SLOPE)
        return self.output(hidden.flatten(2))  # type: ignore[no-any-return]


def smallest_side(image_shape: ImageShape) -> tuple[int, int]:
    """Return the side of the smallest image, from which the convolutions start, and how often it doubles."""
    _, height, width = image_shape
    for smallest in SMALLEST_SIDES:
        power, rest = divmod(height, smallest)
        if height == width and rest == 0 and power >= 2 and power & (power - 1) == 0:
            return smallest, power.bit_length() - 1
    raise ValueError(
        f"network dcgan: found images of {height} x {width} pixels, "
        "expected squares of 7 or 4 times a power of two, such as 28, 32 or 64; set the data set's `size`"
    )
