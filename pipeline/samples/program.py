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

    kind              weights                         numbers                       result for one image's values x
    dense             weight (I, O), bias (O,)                                      x · weight + bias
    conv2d            weight (O, I, k, k), bias (O,)  kernel_size, stride, padding  as PyTorch's; a bias may be missing
    conv_transpose2d  weight (I, O, k, k), bias (O,)  kernel_size, stride, padding  as PyTorch's; a bias may be missing
    scale_shift       scale (C,), shift (C,)                                        each channel's x · scale + shift
    affine                                            scale, shift                  x · scale + shift
    leaky_relu                                        slope                         x where positive, else x · slope
    relu, tanh, sigmoid                                                             the function of each value
    upsample                                                                        each cell becomes 2 x 2 equal ones
    reshape                                                                         another shape of the same order
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
