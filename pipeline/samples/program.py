"""Program: one member's generator as a plain list of operations with their weights, for other runtimes than PyTorch.

In: a training artefact and a member. Out: `Program`. `tracing.py` makes it; `onnx_file.py` and `browser.py` write it.
Operations are those of evaluation mode: batch normalisation is a scale and shift by its running statistics, dropout is
absent, and a weight is divided by its spectral norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.networks import ImageShape
from pipeline.networks.latents import Distribution
from pipeline.pixels import ValueRange

Values = npt.NDArray[np.float32]
Shape = tuple[int, ...]  # of one image's values: (features,) or (C, H, W)


@dataclass(frozen=True)
class Operation:
    """One step of a program.

    Each kind has its weights and numbers. The result is for the values x of one image.

    - `dense`: weight (I, O), bias (O,). Result: x · weight + bias.
    - `conv2d`: weight (O, I, k, k), bias (O,) or none; kernel_size, stride, padding. Result: like PyTorch's.
    - `conv_transpose2d`: weight (I, O, k, k), bias (O,) or none; kernel_size, stride, padding. Result: like PyTorch's.
    - `scale_shift`: scale (C,), shift (C,). Result: x · scale + shift in each channel.
    - `affine`: numbers scale and shift. Result: x · scale + shift.
    - `leaky_relu`: number slope. Result: x where positive, else x · slope.
    - `relu`, `tanh`, `sigmoid`. Result: the function of each value.
    - `upsample`. Result: each cell becomes 2 x 2 equal ones.
    - `reshape`. Result: another shape with the same order of values.
    """

    kind: str
    shape: Shape  # of one image's values after the operation
    weights: Mapping[str, Values] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """The generator of one member: a latent (latent_size,) → an image of `image_shape` in `value_range`."""

    latent_size: int
    latent_distribution: Distribution
    image_shape: ImageShape
    value_range: ValueRange
    operations: tuple[Operation, ...]
