"""Trainable: the conditions under which settings can be trained on a data set, checked before training starts."""

from __future__ import annotations

import torch

from pipeline.networks.normalisation import BatchNorm
from pipeline.tensors.load import load_split
from pipeline.training.engine.ranks import Ranks
from pipeline.training.partition import Partition


def expect_trainable(partition: Partition, ranks: Ranks) -> None:
    """Raise one sentence if these settings cannot be trained on this data set by these processes."""
    settings, where = partition.settings, partition.name
    train_split, test_split = load_split(partition.tensors, "train"), load_split(partition.tensors, "test")
    try:
        with torch.device("meta"):  # layers without memory, only to look at
            partition.network.generator(1)
            discriminator = partition.network.discriminator(1)
        for batch_size in (settings.batch_size, settings.objective.generator_batch_size):
            ranks.share(batch_size)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    for images, expected, use, name in (
        (len(train_split), settings.batch_size, "training", "batch_size"),
        (len(test_split), settings.evaluation_images, "held-out", "evaluation_images"),
    ):
        if images < expected:
            raise ValueError(f"{where}: found {images} {use} images, expected at least {name}={expected}")
    penalised = settings.objective.gradient_penalty > 0 or settings.objective.r1 > 0
    normalised = any(isinstance(layer, BatchNorm) for layer in discriminator.modules())
    if ranks.count > 1 and penalised and normalised:
        raise ValueError(
            f"{where}: found a gradient penalty or R1 on a discriminator with batch normalisation for "
            f"{ranks.count} processes, expected one process: its second derivatives stay within a process"
        )
