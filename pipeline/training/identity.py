"""Identity: the facts that decide a partition's weights and its checkpoints. Imports no torch.

A training's identity holds the number of its members, because samples and reports of more members differ. The weights
of one member do not depend on that number. Trainings of equal `replicates_identity_of` therefore share their first
members, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.training import CODE_VERSION
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import ALONG, weights_of_snapshots


def training_identity(settings: TrainingSettings, tensors: Artefact) -> Identity:
    """Return the identity of a partition's weights: its settings and the data."""
    return Identity("training", CODE_VERSION, {"settings": settings.to_json(), "tensors": tensors.fingerprint})


def replicates_identity_of(training: Identity) -> Identity:
    """Return a training's identity without its number of members: equal for all trainings that share members."""
    return Identity("replicates", training.code_version, {**training.decided_by, "settings": _without(training)})


def with_members(training: Identity, members: int) -> Identity:
    """Return the identity that the same training has with another number of members."""
    settings = {**training.decided_by["settings"], "members": members}
    return Identity(training.stage, training.code_version, {**training.decided_by, "settings": settings})


def share_members(one: Identity | None, other: Identity | None) -> bool:
    """Return whether two trainings differ by the number of their members at most; False if an identity is unknown."""
    if one is None or other is None or not (_has_settings(one) and _has_settings(other)):
        return False
    return replicates_identity_of(one).fingerprint == replicates_identity_of(other).fingerprint


def fingerprint_of_first(training: Artefact, members: int) -> str:
    """Return the fingerprint that a training artefact would have if only its first members had been trained."""
    identity = training.identity
    if members == training.details_as(TrainingDetails).members:
        return training.fingerprint
    if identity is None or not _has_settings(identity):  # made by an older version
        return f"{training.fingerprint}, the first {members} members"
    return with_members(identity, members).fingerprint


def _has_settings(training: Identity) -> bool:
    return isinstance(training.decided_by.get("settings"), Mapping)


def _without(training: Identity, *names: str) -> dict[str, Any]:
    """Return a training's settings without its number of members and without the settings of these names."""
    settings = training.decided_by["settings"]
    return {name: value for name, value in settings.items() if name not in ("members", *names)}


def checkpoint_identity(settings: TrainingSettings, tensors: Artefact) -> Identity:
    """Return the identity of a training without its numbers of steps and members.

    A training continues from checkpoints of the same identity and the same members. With `ema_decay` it also holds
    that snapshots are drawn from the average. Older versions drew them from raw weights, and one training must not mix
    both. The weights themselves do not depend on it, so the training's identity lacks it.
    """
    return checkpoint_identity_of(training_identity(settings, tensors))


def checkpoint_identity_of(training: Identity) -> Identity:
    """Return the identity of a training's checkpoints, given the training's identity.

    The code version is taken from it. Versions that drew snapshots from raw weights in spite of `ema_decay` gave their
    checkpoints another identity.
    """
    return _checkpoints(training, _without(training, "steps"))


def former_checkpoint_identity_of(training: Identity) -> Identity:
    """Return the identity of a training's checkpoints in older versions: it holds the number of members."""
    settings = training.decided_by["settings"]
    return _checkpoints(training, {name: value for name, value in settings.items() if name != "steps"})


def _checkpoints(training: Identity, settings: Mapping[str, Any]) -> Identity:
    kind = weights_of_snapshots(settings.get("ema_decay"))
    along = {} if kind is None else {ALONG: kind}
    decided_by = {"settings": dict(settings), "tensors": training.decided_by["tensors"], **along}
    return Identity("checkpoint", training.code_version, decided_by)
