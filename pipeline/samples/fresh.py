"""Fresh: new images from stored weights for `ganforge sample`, and walks through latent space.

In: a training artefact. Out: `GeneratedImages`, or the images of a walk. Image i of a sampling seed is bit-identical to
image i of the samples artefact of that seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.samples.generate import first_latents, generate_images, latent_seeds
from pipeline.samples.interpolation import closed_path, latent_path
from pipeline.samples.picture_files import GeneratedImages
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import Pixels
from pipeline.training.trained import trained_network

KEYS = 4  # latents that a walk passes
STEPS = 15  # frames from each key to the next
FRAME_MILLISECONDS = 80


def generate_first(training: Artefact, weights: str, members: Sequence[int], count: int, seed: int) -> GeneratedImages:
    """Generate the first `count` images of a sampling seed from each of the members, member by member."""
    _expect_images(count)
    seeds = latent_seeds(seed, count)
    latents = first_latents(training, seed, count)
    pixels = generate_images(training, weights, np.array(members), latents)  # (M, N, C, H, W)
    return GeneratedImages(
        pixels.reshape(-1, *pixels.shape[2:]),
        np.tile(latents, (len(members), 1)),
        np.tile(seeds, len(members)),
        np.repeat(np.array(members, np.int64), count),
    )


def generate_walk(training: Artefact, weights: str, members: Sequence[int], walkers: int, seed: int) -> list[Pixels]:
    """Generate a closed walk: KEYS · STEPS frames (M · walkers, C, H, W). The first equals `generate_first`.

    Every walker passes KEYS latents of its own. All members walk the same paths.
    """
    _expect_images(walkers)
    distribution = trained_network(training).latent_distribution
    keys = first_latents(training, seed, KEYS * walkers).reshape(KEYS, walkers, -1)
    walks = np.stack([closed_path(keys[:, walker], STEPS, distribution) for walker in range(walkers)])  # (N, T, Z)
    pixels = generate_images(
        training, weights, np.array(members), walks.reshape(-1, walks.shape[2])
    )  # (M, N · T, C, H, W)
    by_frame = pixels.reshape(len(members) * walkers, KEYS * STEPS, *pixels.shape[2:])
    return list(by_frame.swapaxes(0, 1))


def generate_strips(
    training: Artefact, weights: str, members: Sequence[int], rows: int, steps: int, seed: int
) -> Pixels:
    """Generate rows of `steps` images from one latent to another: (M · rows · steps, C, H, W).

    The ends of row r are images 2r and 2r + 1 of the sampling seed.
    """
    distribution = trained_network(training).latent_distribution
    ends = first_latents(training, seed, 2 * rows).reshape(rows, 2, -1)
    walks = np.concatenate([latent_path(first, second, steps, distribution) for first, second in ends])
    pixels = generate_images(training, weights, np.array(members), walks)
    return pixels.reshape(-1, *pixels.shape[2:])


def _expect_images(count: int) -> None:
    if count < 1:
        raise ValueError(f"found {count} images to generate, expected at least 1")
