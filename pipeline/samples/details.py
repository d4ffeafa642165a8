"""Details: the facts in the manifest of a samples artefact."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.training.kinds_of_weights import RAW


@dataclass(frozen=True, kw_only=True)
class SamplesDetails:
    """The facts that a samples artefact's manifest holds. Fields with a default are absent in older manifests."""

    recipe: str
    optimizer: str
    training: str = ""  # fingerprint of the training artefact
    images_a_member: int  # the manifests' key, which fingerprints keep; code reads `images_per_member`
    members: tuple[int, ...]  # those that generated images
    diverged_members: tuple[int, ...]
    seed: int
    weights: str = RAW  # kind of weights that generated the images; older versions knew only raw ones
    instead_of: str | None = None  # the default kind of weights, where a person chose another

    @property
    def images_per_member(self) -> int:
        """The number of images that each member generated."""
        return self.images_a_member

    @property
    def members_covered(self) -> int:
        """The number of members that the set is about, diverged ones included: the first ones of the training."""
        return len(self.members) + len(self.diverged_members)

    @property
    def partition(self) -> str:
        """The name of the partition in messages, such as `mnist_mlp adam`."""
        return f"{self.recipe} {self.optimizer}"
