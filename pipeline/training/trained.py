"""Trained: reads back the networks of a finished partition.

In: a training artefact. Out: its settings, its network, and its generators with all members stacked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from pipeline.networks import Network, network_for
from pipeline.networks.stacked import Stacked
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, require_artefact
from pipeline.storage.paths import Paths
from pipeline.storage.weights import load_weights
from pipeline.tables import SettingsError
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import default_weights, file_of_weights


def require_training(paths: Paths, recipe: str, optimizer: str) -> Artefact:
    """Return the training artefact of a partition, or raise one sentence that names how to make it."""
    folder = paths.training(recipe, optimizer)
    return require_artefact(folder, "trained networks", f"{recipe}/generator, partition {optimizer},")


def read_settings(training: Artefact) -> TrainingSettings:
    """Return the resolved settings with which the partition was trained."""
    values = json.loads(training.verified_path("settings.json").read_text(encoding="utf-8"))
    try:
        return TrainingSettings.from_json(values)
    except SettingsError as error:
        raise ValueError(
            f"{training.folder}: trained by an older version ({error}); {training.how_to_make()}"
        ) from error


def trained_network(training: Artefact) -> Network:
    """Return the network that was trained, for the shape of the data set's images."""
    settings = read_settings(training)
    return network_for(settings.network, training.details_as(TrainingDetails).image_shape, settings.width)


def load_generator(
    training: Artefact, device: torch.device, weights: str | None = None, members: Sequence[int] | None = None
) -> Stacked:
    """Return the partition's generators, all members stacked or only those of these numbers, on a device.

    `weights` is "raw" or "average"; None takes `default_weights`. The batch statistics are those of the raw network.
    """
    settings = read_settings(training)
    file = file_of_weights(training, default_weights(training) if weights is None else weights)
    network = trained_network(training)
    generator = network.generator(settings.members)
    load_weights(training.verified_path(file), generator)
    if members is not None:
        chosen = {name: values[list(members)] for name, values in generator.state_dict().items()}
        generator = network.generator(len(members))
        generator.load_state_dict(chosen)
    return generator.to(device).eval()
