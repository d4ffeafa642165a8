"""Samples: images from a partition's trained generators, one seed per image.

In: the training artefact. Out: `data/samples/<recipe>/<optimizer>/samples.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255 rounded to nearest, `member` int64, `latent_seed` int64; and `grid.png`. Image i depends only
on its latent seed and its member. All members and configurations use the same latents. If a training keeps an average
of its weights, the average generates the images, unless a person chooses the raw weights.
Decided by: the training, the number of images per member, the sampling seed and the kind of weights
(`samples_identity`).
"""

from __future__ import annotations

from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.storage.remedy import INSTEAD_OF
from pipeline.training.kinds_of_weights import default_weights

CODE_VERSION = "3"


def samples_identity(training: Artefact, count: int, seed: int, weights: str) -> Identity:
    """Return the identity of `count` images per member of sampling seed `seed`, from "raw" or "average" weights."""
    decided_by = {"training": training.fingerprint, "count": count, "seed": seed, "weights": weights}
    default = replaced_default(training, weights)
    return Identity("samples", CODE_VERSION, decided_by | ({} if default is None else {INSTEAD_OF: default}))


def replaced_default(training: Artefact, weights: str) -> str | None:
    """Return the default kind of weights if a person chose another one, else None.

    This marks raw samples that a person asked for. Raw samples of older versions, which ignored `ema_decay`, lack the
    mark and are generated again.
    """
    default = default_weights(training)
    return None if weights == default else default
