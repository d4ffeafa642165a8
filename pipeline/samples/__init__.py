"""Samples: images from a partition's trained generators, one seed per image.

In: the training artefact. Out: `data/samples/<recipe>/<optimizer>/samples.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255 rounded to nearest, `member` int64, `latent_seed` int64; and `grid.png`. Image i depends only
on its latent seed and its member. All members and configurations use the same latents. If a training keeps an average
of its weights, the average generates the images, unless a person chooses the raw weights.
Decided by: the training, the number of members and of images per member, the sampling seed and the kind of weights
(`samples_identity`). Images of members that an earlier sample set has already are copied from it.
"""

from __future__ import annotations

from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.storage.remedy import INSTEAD_OF
from pipeline.training.identity import fingerprint_of_first
from pipeline.training.kinds_of_weights import default_weights

CODE_VERSION = "3"


def samples_identity(training: Artefact, count: int, seed: int, weights: str, members: int | None = None) -> Identity:
    """Return the identity of `count` images per member of sampling seed `seed`, from "raw" or "average" weights.

    `members` limits the set to the first ones. It then has the identity of the samples of a training of that many.
    """
    fingerprint = training.fingerprint if members is None else fingerprint_of_first(training, members)
    decided_by = {"training": fingerprint, "count": count, "seed": seed, "weights": weights}
    default = replaced_default(training, weights)
    return Identity("samples", CODE_VERSION, decided_by | ({} if default is None else {INSTEAD_OF: default}))


def fingerprint_of_first_samples(samples: Artefact, training: Artefact, members: int) -> str:
    """Return the fingerprint that a sample set would have if it had only the images of the first members."""
    details = samples.details_as(SamplesDetails)
    if members == details.members_covered:
        return samples.fingerprint
    return samples_identity(training, details.images_per_member, details.seed, details.weights, members).fingerprint


def replaced_default(training: Artefact, weights: str) -> str | None:
    """Return the default kind of weights if a person chose another one, else None.

    This marks raw samples that a person asked for. Raw samples of older versions, which ignored `ema_decay`, lack the
    mark and are generated again.
    """
    default = default_weights(training)
    return None if weights == default else default
