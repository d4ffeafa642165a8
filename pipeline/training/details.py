"""Details: the facts in the manifest of a training artefact, and in that of a promotion. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.raw.details import DataSource


@dataclass(frozen=True, kw_only=True)
class DivergedMember:
    """One member that diverged, and the step of the weights that were kept for it."""

    member: int
    step: int  # where it diverged
    weights_step: int  # where its weights were last sound
    reason: str


@dataclass(frozen=True, kw_only=True)
class PromotionDetails:
    """The facts of a promotion. A champion's manifest holds them beside those of its training."""

    version: int
    previous: int | None  # the version that it replaced
    training: str  # fingerprint of the training artefact
    report_id: str
    member: int
    weights: str  # kind of weights that was promoted: "raw" | "average"


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """The facts of the run that finished a training, shared by all partitions that trained in one loop."""

    device: str
    seconds: float  # of training, over all processes that continued it
    images_per_second: int
    resumed_at_step: int
    trained_together: int  # members of all partitions in the loop
    processes: int
    system: Mapping[str, Any]  # `system.SystemUse.facts`


@dataclass(frozen=True, kw_only=True)
class TrainingDetails:
    """The facts that a training artefact's manifest holds. Fields with a default are absent in older manifests."""

    recipe: str
    optimizer: str
    network: str
    width: int
    image_shape: tuple[int, int, int]  # channels, height, width
    tensors: str  # fingerprint of the tensors artefact
    steps: int
    members: int
    diverged_members: tuple[int, ...]
    divergences: tuple[DivergedMember, ...] = ()
    seed: int
    source: DataSource
    weights_along_training: str | None = None  # kind that drew the snapshots, where an average is kept; else raw
    device: str
    seconds: float  # of training, over all processes that continued it
    images_per_second: int | None = None
    resumed_at_step: int = 0
    trained_together: int  # members of all partitions that trained in one loop
    processes: int = 1
    system: Mapping[str, Any] = field(default_factory=dict)  # `system.SystemUse.facts`
    champion: PromotionDetails | None = None  # only in the manifest of a promotion

    @property
    def partition(self) -> str:
        """The name of the partition in messages, such as `mnist_mlp adam`."""
        return f"{self.recipe} {self.optimizer}"

    @property
    def sound_members(self) -> tuple[int, ...]:
        """The numbers of the members that did not diverge."""
        return tuple(member for member in range(self.members) if member not in self.diverged_members)
