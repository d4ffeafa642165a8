"""Latents: the random vectors from which a generator starts, from one stream or one seed per vector, and paths between.

An architecture declares its distribution: "normal" is N(0, 1), "uniform" is U(-1, 1).
Between two normal latents the path follows the sphere near which nearly all of them lie. Between two uniform latents
it is straight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Distribution = Literal["normal", "uniform"]
Latents = npt.NDArray[np.float32]  # (N, Z)


def random_latents(distribution: Distribution, shape: tuple[int, ...], stream: torch.Generator) -> torch.Tensor:
    """Return latents of any shape from one random stream, on the stream's device."""
    import torch  # here, because pages and samples use this module without torch

    if distribution == "normal":
        return torch.randn(shape, generator=stream, device=stream.device)
    return torch.rand(shape, generator=stream, device=stream.device).mul_(2.0).sub_(1.0)


def latents_by_seed(distribution: Distribution, size: int, seeds: npt.NDArray[np.int64]) -> Latents:
    """Return latents (N, Z) for seeds (N,): each row depends on its own seed alone.

    Philox (Salmon et al. 2011) is keyed by the whole seed; torch's CPU streams would use only its low 32 bits.
    """
    rows = [np.random.Generator(np.random.Philox(key=int(seed))) for seed in seeds]
    if distribution == "normal":
        return np.stack([row.standard_normal(size, np.float32) for row in rows])
    return np.stack([row.random(size, np.float32) * 2 - 1 for row in rows])


def on_line(first: Latents, second: Latents, positions: Latents) -> Latents:
    """Return the latents (N, Z) at positions (N,) on lines between pairs of ends, (N, Z) each: 0 is the first end."""
    line: Latents = first + (second - first) * positions[:, np.newaxis]
    return line


def on_sphere(first: Latents, second: Latents, positions: Latents) -> Latents:
    """Return the latents (N, Z) at positions (N,) between pairs of ends, (N, Z) each: 0 is the first end.

    Directions are interpolated on the sphere (White 2016, arXiv 1609.04468), lengths linearly.
    """
    lengths = [np.linalg.norm(ends, axis=1, keepdims=True) for ends in (first, second)]
    one, other = first / lengths[0], second / lengths[1]
    angle = np.arccos(np.clip((one * other).sum(axis=1), -1, 1))[:, np.newaxis]
    position = positions[:, np.newaxis]
    sine = np.maximum(np.sin(angle), np.finfo(np.float32).tiny)
    direction = np.where(
        angle > 1e-6, (np.sin((1 - position) * angle) * one + np.sin(position * angle) * other) / sine, one
    )
    length = lengths[0] + (lengths[1] - lengths[0]) * position
    moved: Latents = (direction * length).astype(np.float32)
    return moved
