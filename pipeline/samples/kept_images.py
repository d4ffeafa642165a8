"""Kept images: the images of members that a stored sample set has already.

In: the folder of a sample set, and the training of which images are wanted. Out: the stored set if it is of the same
members' weights, and its images per member. A training and one with more members have the same first members.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact, find_intact, read_artefact
from pipeline.storage.identity import Identity
from pipeline.storage.images import Pixels, read_images
from pipeline.training.details import TrainingDetails


def members_to_cover(training: Artefact, members: int | None) -> int:
    """Return the number of first members that were requested, all by default; `ValueError` if fewer were trained."""
    details = training.details_as(TrainingDetails)
    if members is not None and members > details.members:
        raise ValueError(
            f"{details.partition}: found {details.members} trained members, expected at least {members}; "
            f"materialize {details.recipe}/generator, partition {details.optimizer}, with members={members} first"
        )
    return details.members if members is None else members


def find_images(folder: Path, training: Artefact, identity_of_first: Callable[[int], Identity]) -> Artefact | None:
    """Return the intact sample set in a folder if it has images of the training's first members, few or all.

    `identity_of_first` returns the identity of the samples of so many members.
    """
    stored, members = read_artefact(folder), training.details_as(TrainingDetails).members
    if stored is None or stored.fingerprint not in {
        identity_of_first(first).fingerprint for first in range(1, members + 1)
    }:
        return None
    return find_intact(folder, stored.fingerprint)


def is_sufficient(samples: Artefact, training: Artefact, members: int) -> bool:
    """Return whether a sample set was generated from this very artefact and covers at least so many members."""
    details = samples.details_as(SamplesDetails)
    return details.training == training.fingerprint and details.members_covered >= members


def images_by_member(samples: Artefact) -> dict[int, Pixels]:
    """Return the images (N, C, H, W) of each member of a sample set."""
    images = read_images(samples.verified_path("samples.arrow"))
    members = images.columns["member"]
    return {member: images.pixels[members == member] for member in samples.details_as(SamplesDetails).members}
