"""Latents: the random vectors a generator starts from, drawn many at a time or one by its own seed.

An architecture declares its distribution: "normal" is N(0, 1), "uniform" is U(-1, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Distribution = Literal["normal", "uniform"]


def draw_latents(distribution: Distribution, shape: tuple[int, ...], stream: torch.Generator) -> torch.Tensor:
    """Latents of any shape from one random stream, on the stream's device."""
    import torch

    if distribution == "normal":
        return torch.randn(shape, generator=stream, device=stream.device)
    return torch.rand(shape, generator=stream, device=stream.device).mul_(2.0).sub_(1.0)


def latents_by_seed(distribution: Distribution, size: int, seeds: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Latent seeds (N,) → latents (N, Z): each row depends on its own seed alone.

    Philox (Salmon et al. 2011) is keyed by the whole seed; torch's CPU streams would use only its low 32 bits.
    """
    rows = [np.random.Generator(np.random.Philox(key=int(seed))) for seed in seeds]
    if distribution == "normal":
        return np.stack([row.standard_normal(size, np.float32) for row in rows])
    return np.stack([row.random(size, np.float32) * 2 - 1 for row in rows])
