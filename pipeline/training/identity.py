"""Identity: the facts that decide a partition's weights and its checkpoints. Imports no torch."""

from __future__ import annotations

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.training import CODE_VERSION
from pipeline.training.kinds_of_weights import ALONG, weights_of_snapshots


def training_identity(settings: TrainingSettings, tensors: Artefact) -> Identity:
    """Return the identity of a partition's weights: its settings and the data."""
    return Identity("training", CODE_VERSION, {"settings": settings.to_json(), "tensors": tensors.fingerprint})


def checkpoint_identity(settings: TrainingSettings, tensors: Artefact) -> Identity:
    """Return the identity of a training without its number of steps.

    A training continues from checkpoints of the same identity. With `ema_decay` it also holds that snapshots are drawn
    from the average. Older versions drew them from raw weights, and one training must not mix both. The weights
    themselves do not depend on it, so the training's identity lacks it.
    """
    return checkpoint_identity_of(training_identity(settings, tensors))


def checkpoint_identity_of(training: Identity) -> Identity:
    """Return the identity of a training's checkpoints, given the training's identity.

    The code version is taken from it. Versions that drew snapshots from raw weights in spite of `ema_decay` gave their
    checkpoints another identity.
    """
    settings = training.decided_by["settings"]
    without_budget = {name: value for name, value in settings.items() if name != "steps"}
    kind = weights_of_snapshots(settings.get("ema_decay"))
    along = {} if kind is None else {ALONG: kind}
    decided_by = {"settings": without_budget, "tensors": training.decided_by["tensors"], **along}
    return Identity("checkpoint", training.code_version, decided_by)
