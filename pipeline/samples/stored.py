"""Stored: the images of a samples artefact, all or the first of some members, for `ganforge export`.

In: a samples artefact and its recipe's network. Out: `GeneratedImages`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.networks import network_for
from pipeline.networks.latents import latents_by_seed
from pipeline.samples.details import SamplesDetails
from pipeline.samples.picture_files import GeneratedImages
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import read_images


def stored_images(samples: Artefact, network: str, members: Sequence[int] | None, count: int | None) -> GeneratedImages:
    """Return the first `count` stored images of each of the members; None means all. Seeds give the latents again.

    Raises one sentence for a member without stored images, or with fewer than `count`.
    """
    file = read_images(samples.verified_path("samples.arrow"))
    details = samples.details_as(SamplesDetails)
    stored, per_member = details.members, details.images_per_member
    chosen = stored if members is None else members
    for member in chosen:
        if member not in stored:
            expected = ", ".join(map(str, stored)) or "none: every member diverged"
            raise ValueError(f"{samples.folder}: found no images of member {member}, expected one of {expected}")
    if not chosen:
        raise ValueError(f"{samples.folder}: found no images, because every member diverged")
    if count is not None and not 1 <= count <= per_member:
        raise ValueError(
            f"{samples.folder}: found {per_member:,} images per member, but the command names {count:,}; expected "
            f"1 to {per_member:,} (`ganforge sample` generates more)"
        )
    members_of_rows = file.columns["member"]
    rows = np.concatenate([np.flatnonzero(members_of_rows == member)[:count] for member in chosen])
    pixels, seeds = file.pixels[rows], file.columns["latent_seed"][rows]
    trained = network_for(network, (pixels.shape[1], pixels.shape[2], pixels.shape[3]))
    latents = latents_by_seed(trained.latent_distribution, trained.latent_size, seeds)
    return GeneratedImages(pixels, latents, seeds, members_of_rows[rows])
