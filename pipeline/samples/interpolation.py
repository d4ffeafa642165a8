"""Interpolation: paths through latent space, from one latent to another or around through several.

In: latents. Out: the latents along the way. Normal latents move over the sphere and uniform ones on a line
(`networks/latents.py`), so that every latent on the way is one that the generator could have been given.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.networks.latents import Distribution, Latents, on_line, on_sphere

Latent = npt.NDArray[np.float32]  # (Z,)


def latent_path(first: Latent, second: Latent, steps: int, distribution: Distribution) -> Latents:
    """Two latents (Z,) → `steps` latents (steps, Z) at equal distances, both ends among them; at least 2 steps."""
    if steps < 2:
        raise ValueError(f"a path of {steps} steps has no two ends, expected at least 2")
    return _between(first, second, np.linspace(0, 1, steps, dtype=np.float32), distribution)


def closed_path(keys: Latents, steps: int, distribution: Distribution) -> Latents:
    """Latents (K, Z) → (K · steps, Z): through all of them and back to the first, `steps` from each to the next.

    Latent k · steps is key k. The first is not repeated at the end: what follows the last is the first again.
    """
    places = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)
    nexts = np.roll(keys, -1, axis=0)
    return np.concatenate([_between(*ends, places, distribution) for ends in zip(keys, nexts, strict=True)])


def _between(first: Latent, second: Latent, places: Latent, distribution: Distribution) -> Latents:
    move = on_sphere if distribution == "normal" else on_line
    return move(np.tile(first, (len(places), 1)), np.tile(second, (len(places), 1)), places)
