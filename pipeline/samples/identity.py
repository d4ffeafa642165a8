"""Identity: what decides a partition's samples: the weights and the latents. Imports no torch."""

from __future__ import annotations

from pipeline.samples import CODE_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity


def samples_identity(training: Artefact, count: int, seed: int, weights: str) -> Identity:
    """Of `count` images a member of sampling seed `seed`, drawn with "raw" or "average" weights."""
    decided_by = {"training": training.fingerprint, "count": count, "seed": seed, "weights": weights}
    return Identity("samples", CODE_VERSION, decided_by)
