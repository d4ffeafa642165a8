"""Members: one of a partition's generators, taken out of the stack it was trained in.

In: a training artefact and the number of a member. Out: its generator alone, on the CPU, in evaluation mode.
"""

from __future__ import annotations

import torch

from pipeline.networks.stacked import Stacked
from pipeline.storage.artefact import Artefact
from pipeline.training.details import TrainingDetails
from pipeline.training.trained import load_generator, trained_network


def sound_members(training: Artefact) -> list[int]:
    """The members that did not diverge; one sentence where all did."""
    details = training.details_as(TrainingDetails)
    if not details.sound_members:
        raise ValueError(f"{details.partition}: every member diverged, so there is no generator to draw from")
    return list(details.sound_members)


def expect_sound(training: Artefact, member: int) -> None:
    """A member that was trained and did not diverge, or one sentence."""
    sound = ", ".join(map(str, sound_members(training)))
    details = training.details_as(TrainingDetails)
    if not 0 <= member < details.members:
        raise ValueError(f"{details.partition}: found member {member}, expected one of {sound}")
    if member in details.diverged_members:
        raise ValueError(f"{details.partition}: member {member} diverged and draws no images, expected one of {sound}")


def one_generator(training: Artefact, member: int, weights: str | None = None) -> Stacked:
    """A member's generator as a stack of one, on the CPU and in evaluation mode; None takes `default_weights`."""
    expect_sound(training, member)
    stacked = load_generator(training, torch.device("cpu"), weights)
    alone = trained_network(training).generator(1)
    alone.load_state_dict({name: values[member : member + 1] for name, values in stacked.state_dict().items()})
    return alone.eval()
