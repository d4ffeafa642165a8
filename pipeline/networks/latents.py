"""Latents: the random vectors a generator starts from, drawn many at a time or one by its own seed, and ways between.

An architecture declares its distribution: "normal" is N(0, 1), "uniform" is U(-1, 1). Between two normal latents the
way leads over the sphere, where nearly all of them lie; between two uniform ones it is straight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Distribution = Literal["normal", "uniform"]
Latents = npt.NDArray[np.float32]  # (N, Z)


def draw_latents(distribution: Distribution, shape: tuple[int, ...], stream: torch.Generator) -> torch.Tensor:
    """Latents of any shape from one random stream, on the stream's device."""
    import torch

    if distribution == "normal":
        return torch.randn(shape, generator=stream, device=stream.device)
    return torch.rand(shape, generator=stream, device=stream.device).mul_(2.0).sub_(1.0)


def latents_by_seed(distribution: Distribution, size: int, seeds: npt.NDArray[np.int64]) -> Latents:
    """Latent seeds (N,) → latents (N, Z): each row depends on its own seed alone.

    Philox (Salmon et al. 2011) is keyed by the whole seed; torch's CPU streams would use only its low 32 bits.
    """
    rows = [np.random.Generator(np.random.Philox(key=int(seed))) for seed in seeds]
    if distribution == "normal":
        return np.stack([row.standard_normal(size, np.float32) for row in rows])
    return np.stack([row.random(size, np.float32) * 2 - 1 for row in rows])


def on_line(first: Latents, second: Latents, places: Latents) -> Latents:
    """Two ends (N, Z) each and a place (N,) for every pair, 0 the first and 1 the second → the latents there (N, Z)."""
    line: Latents = first + (second - first) * places[:, np.newaxis]
    return line


def on_sphere(first: Latents, second: Latents, places: Latents) -> Latents:
    """As `on_line`: spherical interpolation of the directions (White 2016, arXiv 1609.04468), linear of the lengths."""
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second)]
    one, other = first / lengths[0], second / lengths[1]
    angle = np.arccos(np.clip((one * other).sum(axis=1), -1, 1))[:, np.newaxis]
    at = places[:, np.newaxis]
    sine = np.maximum(np.sin(angle), np.finfo(np.float32).tiny)
    direction = np.where(angle > 1e-6, (np.sin((1 - at) * angle) * one + np.sin(at * angle) * other) / sine, one)
    length = lengths[0] + (lengths[1] - lengths[0]) * at
    moved: Latents = (direction * length).astype(np.float32)
    return moved
