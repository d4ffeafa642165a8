"""Kinds of weights: a training keeps its generators as they were trained ("raw"), and where asked for their average.

In: the manifest of a training or of a champion. Out: the kind that is drawn from. Reads no weights and imports no
torch, so that `ganforge status` can ask too.
"""

from __future__ import annotations

from pipeline.storage.artefact import Artefact
from pipeline.tables import find
from pipeline.training.details import TrainingDetails

RAW, AVERAGE = "raw", "average"
FILE_OF_WEIGHTS = {RAW: "generator.safetensors", AVERAGE: "generator_average.safetensors"}
ALONG = "weights_along_training"  # in the identity of checkpoints; absent where snapshots come from raw weights


def default_weights(training: Artefact) -> str:
    """Return the kind of weights that is drawn from unless a person asks for another.

    For a champion that is the kind it was promoted for; for a training its average where it kept one, else "raw".
    """
    champion = training.details_as(TrainingDetails).champion
    if champion is not None:
        return champion.weights
    return AVERAGE if FILE_OF_WEIGHTS[AVERAGE] in training.files else RAW


def file_of_weights(training: Artefact, weights: str) -> str:
    """Return the name of the file that holds a kind of weights, or raise where the training did not keep it."""
    file = find(FILE_OF_WEIGHTS, weights, "kind of weights")
    if file not in training.files:
        raise ValueError(
            f"{training.folder}: no average of the generator's weights there, found weights={weights!r}; "
            "expected 'raw', or a recipe or configuration with ema_decay, trained again"
        )
    return file


def weights_along(training: Artefact) -> str:
    """Return the kind of weights that drew the snapshots and evaluations a training kept on its way."""
    return training.details_as(TrainingDetails).weights_along_training or RAW


def weights_of_snapshots(ema_decay: float | None) -> str | None:
    """Return the kind of weights for a new training's snapshots: "average" with `ema_decay`, else None for raw ones."""
    return None if ema_decay is None else AVERAGE
