"""Kinds of weights: a training keeps its generators as they were trained ("raw"), and where asked for their average.

In: the manifest of a training or of a champion. Out: the kind that is drawn from. Reads no weights and imports no
torch, so that `ganforge status` can ask too.
"""

from __future__ import annotations

from typing import Any

from pipeline.storage.artefact import Artefact
from pipeline.tables import find

RAW, AVERAGE = "raw", "average"
FILE_OF_WEIGHTS = {RAW: "generator.safetensors", AVERAGE: "generator_average.safetensors"}
ALONG = "weights_along_training"  # in a training's details; missing where snapshots and evaluations are of raw weights


def default_weights(training: Artefact) -> str:
    """Return the kind of weights that is drawn from unless a person asks for another.

    For a champion that is the kind it was promoted for; for a training its average where it kept one, else "raw".
    """
    champion = training.details.get("champion")
    if champion is not None:
        return str(champion["weights"])
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


def weights_drawn(samples: Artefact) -> str:
    """Return the kind of weights that drew stored samples; those that do not say it are of raw weights."""
    return str(samples.details.get("weights", RAW))


def weights_along(training: Artefact) -> str:
    """Return the kind of weights that drew the snapshots and evaluations a training kept on its way."""
    return str(training.details.get(ALONG, RAW))


def along_facts(ema_decay: float | None) -> dict[str, Any]:
    """Return what the details of a new training say of its snapshots and evaluations: nothing without an average."""
    return {} if ema_decay is None else {ALONG: AVERAGE}
