"""Kinds of weights: a training keeps its generators' raw weights, and with `ema_decay` also their running average.

In: the manifest of a training or of a champion. Out: the kind that generates images. Reads no weights and imports no
torch, so that `ganforge status` stays fast.
"""

from __future__ import annotations

from pipeline.storage.artefact import Artefact
from pipeline.tables import find
from pipeline.training.details import TrainingDetails

RAW, AVERAGE = "raw", "average"
FILE_OF_WEIGHTS = {RAW: "generator.safetensors", AVERAGE: "generator_average.safetensors"}
ALONG = "weights_along_training"  # in the identity of checkpoints; absent where snapshots come from raw weights


def default_weights(training: Artefact) -> str:
    """Return the kind of weights that generates images unless a person names another.

    A champion has the kind for which it was promoted. A training has its average if it kept one, else "raw".
    """
    champion = training.details_as(TrainingDetails).champion
    if champion is not None:
        return champion.weights
    return AVERAGE if FILE_OF_WEIGHTS[AVERAGE] in training.files else RAW


def file_of_weights(training: Artefact, weights: str) -> str:
    """Return the name of the file with a kind of weights. Raises `ValueError` if the training did not keep it."""
    file = find(FILE_OF_WEIGHTS, weights, "kind of weights")
    if file not in training.files:
        raise ValueError(
            f"{training.folder}: no average of the generator's weights there, found weights={weights!r}; "
            "expected 'raw', or a recipe or configuration with ema_decay, trained again"
        )
    return file


def weights_along(training: Artefact) -> str:
    """Return the kind of weights that generated a training's snapshots and its images to score."""
    return training.details_as(TrainingDetails).weights_along_training or RAW


def weights_of_snapshots(ema_decay: float | None) -> str | None:
    """Return the kind of weights for a new training's snapshots: "average" with `ema_decay`, else None for raw ones."""
    return None if ema_decay is None else AVERAGE
