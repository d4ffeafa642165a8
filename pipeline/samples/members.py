"""Members: the generator of one member, taken out of the stack in which it was trained.

In: a training artefact and the number of a member. Out: a stack of this generator, on the CPU, in evaluation mode.
"""

from __future__ import annotations

import torch

from pipeline.networks.stacked import Stacked
from pipeline.storage.artefact import Artefact
from pipeline.training.details import TrainingDetails
from pipeline.training.trained import load_generator


def sound_members(training: Artefact) -> list[int]:
    """Return the members that did not diverge; raise one sentence if all did."""
    details = training.details_as(TrainingDetails)
    if not details.sound_members:
        raise ValueError(f"{details.partition}: every member diverged, so there is no generator to use")
    return list(details.sound_members)


def expect_sound(training: Artefact, member: int) -> None:
    """Raise one sentence unless the member was trained and did not diverge."""
    sound = ", ".join(map(str, sound_members(training)))
    details = training.details_as(TrainingDetails)
    if not 0 <= member < details.members:
        raise ValueError(f"{details.partition}: found member {member}, expected one of {sound}")
    if member in details.diverged_members:
        raise ValueError(
            f"{details.partition}: member {member} diverged and generates no images, expected one of {sound}"
        )


def one_generator(training: Artefact, member: int, weights: str | None = None) -> Stacked:
    """Return a member's generator as a stack of one, on the CPU in evaluation mode. None takes `default_weights`."""
    expect_sound(training, member)
    return load_generator(training, torch.device("cpu"), weights, [member])
