"""Bulten's convolutional GAN: 2,394,241 parameters, with running statistics, against 4,311,553 for 28x28 grey images.

Source: article "Graduating in GANs", after W. Bulten's tutorial "Getting started with generative adversarial
networks" (Keras). Its generator ends in a sigmoid, so its images lie in [0, 1]. Keras' numerics: a batch
normalisation's momentum of 0.9 is 0.1 here, its epsilon 1e-3, and a stride of 2 pads an even side by one cell before
and two behind. The discriminator's sigmoid belongs to the loss here.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks import ImageShape
from pipeline.networks.convolution import Conv2d, same_padding, upsample
from pipeline.networks.dropout import Dropout
from pipeline.networks.latents import Distribution
from pipeline.networks.layers import Dense, LogitLayer, sigmoid
from pipeline.networks.normalisation import KERAS_EPSILON, BatchNorm
from pipeline.networks.stacked import Stacked
from pipeline.pixels import UNIT

LATENT_SIZE = 100
LATENT_DISTRIBUTION: Distribution = "uniform"
VALUE_RANGE = UNIT
HAS_DROPOUT = True
WIDTH = 32  # channels of the generator's last hidden layer
SLOPE = 0.3  # of the leaky ReLU below zero
MOMENTUM = 0.1  # share of a batch in the running statistics
KERNEL, PADDING = 5, 2


class Generator(Stacked):
    """Dense to 256 channels of 7x7 → dropout → twice as large, 128 channels → again, 64 → 32 → 1 → sigmoid."""

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        channels, height, width_pixels = image_shape
        if height % 4 or width_pixels % 4:
            raise ValueError(
                f"network mnist_conv: found images of {height} x {width_pixels} pixels, expected sides that 4 divides"
            )
        self.members = members
        self.smallest = (8 * width, height // 4, width_pixels // 4)
        features = self.smallest[0] * self.smallest[1] * self.smallest[2]
        self.dense = Dense(members, LATENT_SIZE, features)
        self.dense_norm = _norm(members, features)  # every feature by itself, before the reshape
        self.dropout = Dropout(members)
        widths = [8 * width, 4 * width, 2 * width, width]
        self.hidden = nn.ModuleList(_convolution(members, *pair) for pair in itertools.pairwise(widths))
        self.norms = nn.ModuleList(_norm(members, channels) for channels in widths[1:])
        self.output = _convolution(members, width, channels)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (M, B, 100) to images (M, B, C, H, W) in [0, 1]."""
        dense = F.leaky_relu(self.dense_norm(self.dense(latents)), SLOPE)
        images = self.dropout(dense.view(*latents.shape[:2], *self.smallest))
        for layer, (convolution, norm) in enumerate(zip(self.hidden, self.norms, strict=True)):
            images = convolution(upsample(images) if layer < 2 else images)
            images = F.leaky_relu(norm(images), SLOPE)
        return sigmoid(self.output(images))


class Discriminator(Stacked):
    """Convolutions to 64, 128 and 256 channels, each halving the sides, then to 512 → dense 1.

    Dropout follows every convolution but the first.
    """

    def __init__(self, members: int, image_shape: ImageShape, width: int) -> None:
        super().__init__()
        channels, height, width_pixels = image_shape
        self.members = members
        widths = [channels, 2 * width, 4 * width, 8 * width, 16 * width]
        strides = [2, 2, 2, 1]
        self.hidden = nn.ModuleList(
            Conv2d(members, before, after, KERNEL, stride=stride)
            for (before, after), stride in zip(itertools.pairwise(widths), strides, strict=True)
        )
        self.paddings: list[list[int]] = []  # left, right, top, bottom
        for stride in strides:
            self.paddings.append([*same_padding(width_pixels, KERNEL, stride), *same_padding(height, KERNEL, stride)])
            height, width_pixels = -(-height // stride), -(-width_pixels // stride)
        self.dropouts = nn.ModuleList(Dropout(members) for _ in strides[1:])
        self.output = LogitLayer(members, widths[-1] * height * width_pixels)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (M, B, C, H, W) in [0, 1] to logits (M, B): positive means real."""
        hidden = images
        for layer, (convolution, padding) in enumerate(zip(self.hidden, self.paddings, strict=True)):
            hidden = F.leaky_relu(convolution(F.pad(hidden, padding)), SLOPE)
            hidden = self.dropouts[layer - 1](hidden) if layer else hidden
        return self.output(hidden.flatten(2))  # type: ignore[no-any-return]


def _convolution(members: int, inputs: int, outputs: int) -> Conv2d:
    return Conv2d(members, inputs, outputs, KERNEL, padding=PADDING)


def _norm(members: int, channels: int) -> BatchNorm:
    return BatchNorm(members, channels, momentum=MOMENTUM, epsilon=KERAS_EPSILON)
