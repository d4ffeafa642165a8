"""Objectives: the losses and regularisers that two networks can be trained for, and the facts of each loss.

In: the fields of a recipe or configuration. Out: `ObjectiveSettings`. This file imports no torch. The
losses as functions, with formulas and sources, are in `training/engine/losses.py`, the penalties in `regularisers.py`
beside it.

| loss | least value | value of an undecided discriminator |
|---|---|---|
| non_saturating, minimax | H(y), the entropy of the label | -y log(y / 2) - (2 - y) log(1 - y / 2) |
| least_squares | 0 | y² / 4 |
| hinge | 0 | 2 |
| wasserstein | none | none |

y is the label of real images, that of generated images is 0. A value is the sum of the mean loss on real images and the
mean loss on generated ones. An undecided discriminator gives all images the one output with the smallest value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.tables import CHECKED, OneOf, fields_of, read_value

OfLabel = Callable[[float], float]  # the label of real images → a value of the loss


@plain_dataclass(frozen=True)
class LossFacts:
    """Facts about a loss that are used outside training."""

    has_labels: bool  # False: label smoothing has no effect
    least: OfLabel | None  # the smallest value; None: unbounded below
    undecided: OfLabel | None  # the smallest value with one output for all images; None where `least` is None

    def undecided_excess(self, real_label: float) -> float | None:
        """Return how far an undecided discriminator is above the least value; None where there is no least value."""
        if self.least is None or self.undecided is None:
            return None
        return self.undecided(real_label) - self.least(real_label)


def binary_entropy(label: float) -> float:
    """Return the smallest cross entropy with a label in [0, 1]: above 0 for a smoothed label."""
    return -sum(share * math.log(share) for share in (label, 1 - label) if share > 0)


def _undecided_cross_entropy(label: float) -> float:
    output = label / 2
    return -label * math.log(output) - (2 - label) * math.log(1 - output)


def _zero(_label: float) -> float:
    return 0.0


CROSS_ENTROPY = LossFacts(has_labels=True, least=binary_entropy, undecided=_undecided_cross_entropy)

LOSS_FACTS: dict[str, LossFacts] = {
    "non_saturating": CROSS_ENTROPY,
    "minimax": CROSS_ENTROPY,
    "least_squares": LossFacts(has_labels=True, least=_zero, undecided=lambda label: label**2 / 4),
    "hinge": LossFacts(has_labels=False, least=_zero, undecided=lambda _label: 2.0),
    "wasserstein": LossFacts(has_labels=False, least=None, undecided=None),
}

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=CHECKED)
class ObjectiveSettings:
    """The objective of both networks and the inputs of their updates."""

    loss: Annotated[str, OneOf(LOSS_FACTS), Field(description="Loss of both networks.")] = "non_saturating"
    discriminator_update: Annotated[
        Literal["separate", "joint", "mixed"],
        Field(
            description="separate: an update on real images, then one on generated images; joint: one update on the sum"
            " of both losses; mixed: one update on the mean over one batch of both."
        ),
    ] = "separate"
    n_critic: Annotated[
        int,
        Field(ge=1, description="Updates of the discriminator per update of the generator, each on new images."),
    ] = 1
    generator_batch_size: Annotated[
        int, Field(ge=0, description="New latents for the generator's update; 0: the discriminator's latents again.")
    ] = 0
    generated_in: Annotated[
        Literal["training", "evaluation"],
        Field(
            description="Mode of the generator while the discriminator is trained: training: batch statistics and"
            " dropout, as in its own update; evaluation: running statistics and no dropout, as Keras' predict."
        ),
    ] = "training"
    real_label: Annotated[
        float, Field(gt=0.5, le=1, description="Label of real images: 1 minus the one-sided label smoothing.")
    ] = 1.0
    label_flip: Annotated[
        float, Field(ge=0, lt=0.5, description="Share of the discriminator's labels that are swapped.")
    ] = 0.0
    instance_noise: Annotated[
        Weight, Field(description="Standard deviation of the noise on all images the discriminator is trained on.")
    ] = 0.0
    instance_noise_steps: Annotated[
        int, Field(ge=0, description="Steps over which that noise falls linearly to 0; 0: it stays.")
    ] = 0
    gradient_penalty: Annotated[
        Weight, Field(description="Weight of (|gradient| - 1)² between real and generated images.")
    ] = 0.0
    r1: Annotated[Weight, Field(description="Weight of |gradient|² / 2 on real images.")] = 0.0
    weight_clip: Annotated[
        float | None,
        Field(gt=0, description="The discriminator's weights are kept in [-weight_clip, weight_clip]."),
    ] = None
    spectral_norm: Annotated[
        bool, Field(description="True normalises every layer of the discriminator by its largest singular value.")
    ] = False


def read_overrides(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `ObjectiveSettings` that an entry names, checked."""
    checked = read_value(ObjectiveSettings, where, entry)
    return {name: getattr(checked, name) for name in fields_of(ObjectiveSettings) if name in entry}
