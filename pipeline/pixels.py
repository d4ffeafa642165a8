"""Pixels: the one affine map between stored images and what the networks see, beside its inverse.

In and out: uint8 in 0..255, and float32 in [-1, 1], where -1 is black (0) and 1 is white (255).
`to_pixels(to_network(p)) == p` for all 256 values; a generated value between two levels goes to the nearer one,
half-way cases upwards, so that no level is favoured (truncation would darken every image by half a level).
"""

from __future__ import annotations

import torch
from torch import Tensor

HALF_RANGE = 127.5  # x = p / 127.5 - 1 maps 0..255 onto [-1, 1]


def to_network(pixels: Tensor) -> Tensor:
    """Any shape, uint8 in 0..255 → the same shape, float32 in [-1, 1]."""
    return pixels.to(torch.float32).div_(HALF_RANGE).sub_(1.0)


def to_pixels(images: Tensor) -> Tensor:
    """Any shape, float32, clipped to [-1, 1] → the same shape, uint8 in 0..255. NaN is an error, not a grey."""
    if not bool(torch.isfinite(images).all()):
        raise ValueError("images hold NaN or infinite values; expected finite values in [-1, 1]: training has diverged")
    return images.add(1.0).mul_(HALF_RANGE).add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)
