"""Identity: what decides a partition's samples: the weights and the latents. Imports no torch."""

from __future__ import annotations

from pipeline.samples import CODE_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.training.kinds_of_weights import default_weights

PASSED_OVER = "instead_of"  # of the default kind of weights; also in the details of samples


def samples_identity(training: Artefact, count: int, seed: int, weights: str) -> Identity:
    """Return the identity of `count` images a member of sampling seed `seed`, drawn with "raw" or "average" weights."""
    decided_by = {"training": training.fingerprint, "count": count, "seed": seed, "weights": weights}
    default = passed_over(training, weights)
    return Identity("samples", CODE_VERSION, decided_by | ({} if default is None else {PASSED_OVER: default}))


def passed_over(training: Artefact, weights: str) -> str | None:
    """Return the default kind of weights where a person chose another one, else None.

    This marks raw samples that a person asked for. Raw samples of older versions, which ignored `ema_decay`, lack the
    mark and are drawn again.
    """
    default = default_weights(training)
    return None if weights == default else default
