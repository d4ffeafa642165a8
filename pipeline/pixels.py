"""Pixels: the affine maps between stored images and a network's values, each beside its inverse.

In and out: uint8 in 0..255, and float32 in a network's value range: [-1, 1] for a network that ends in a tanh, [0, 1]
for one that ends in a sigmoid. The lower end of the range is black (0), the upper end white (255).
`to_pixels(to_network(p)) == p` for all 256 values. A generated value between two levels is rounded to the nearer one,
half-way cases upwards, so that no level is favoured: truncation would darken every image by half a level.
"""

from __future__ import annotations

import torch
from torch import Tensor

ValueRange = tuple[float, float]

SYMMETRIC: ValueRange = (-1.0, 1.0)
UNIT: ValueRange = (0.0, 1.0)


def to_network(pixels: Tensor, value_range: ValueRange = SYMMETRIC) -> Tensor:
    """Convert uint8 in 0..255 to float32 in the range, any shape: p / 127.5 - 1 for [-1, 1]."""
    return pixels.to(torch.float32).div_(_levels_per_unit(value_range)).add_(value_range[0])


def to_pixels(images: Tensor, value_range: ValueRange = SYMMETRIC) -> Tensor:
    """Convert float32, clipped to the range, to uint8 in 0..255, any shape. NaN raises an error: it is no grey."""
    if not bool(torch.isfinite(images).all()):
        low, high = value_range
        raise ValueError(
            f"images hold NaN or infinite values; expected finite values in [{low:g}, {high:g}]: training has diverged"
        )
    levels = images.sub(value_range[0]).mul_(_levels_per_unit(value_range))
    return levels.add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)


def _levels_per_unit(value_range: ValueRange) -> float:
    low, high = value_range
    return 255.0 / (high - low)
