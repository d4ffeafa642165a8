"""Interpolation: paths through latent space, from one latent to another or around through several.

In: latents. Out: the latents along the path. Normal latents move over the sphere and uniform ones on a line
(`networks/latents.py`), so that every latent on the path is a likely input of the generator.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.networks.latents import Distribution, Latents, on_line, on_sphere

Latent = npt.NDArray[np.float32]  # (Z,)


def latent_path(first: Latent, second: Latent, steps: int, distribution: Distribution) -> Latents:
    """Return `steps` latents (steps, Z) at equal distances from one latent (Z,) to another, ends included."""
    if steps < 2:
        raise ValueError(f"a path of {steps} steps has no two ends, expected at least 2")
    return _between(first, second, np.linspace(0, 1, steps, dtype=np.float32), distribution)


def closed_path(keys: Latents, steps: int, distribution: Distribution) -> Latents:
    """Return a path (K · steps, Z) through latents (K, Z) and back to the first, `steps` from each to the next.

    Latent k · steps is key k. The first is not repeated at the end, so the path can be played in a loop.
    """
    positions = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)
    nexts = np.roll(keys, -1, axis=0)
    return np.concatenate([_between(*ends, positions, distribution) for ends in zip(keys, nexts, strict=True)])


def _between(first: Latent, second: Latent, positions: Latent, distribution: Distribution) -> Latents:
    move = on_sphere if distribution == "normal" else on_line
    return move(np.tile(first, (len(positions), 1)), np.tile(second, (len(positions), 1)), positions)
