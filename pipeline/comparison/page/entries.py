"""Entrants: the configurations on the page, each with the training and the samples that its report was made from.

What is gone or belongs to another training is an error with a sentence (`PartMissingError`): `gather_each` collects
those sentences beside what was found, and the page prints them where the part would stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.settings import load_optimizers
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths

Found = TypeVar("Found")

FOLDERS = re.compile(r"(?<![\w/.:])/(?:[^\s/'\":;,]+/)+")  # of a path in a text, up to its last part


class PartMissingError(ValueError):
    """A part that the page cannot show; the message is a sentence for its reader."""


@dataclass(frozen=True)
class PageEntry:
    """One configuration: its configuration and the artefacts behind it."""

    configuration: RankedConfiguration
    stored_training: Artefact | None
    stored_samples: Artefact | None

    @property
    def key(self) -> str:
        """The configuration's key."""
        return self.configuration.optimizer

    @property
    def settings(self) -> dict[str, Any]:
        """The settings it was trained with, as the report keeps them; empty where it keeps none."""
        return self.configuration.report.settings

    @property
    def protocol(self) -> dict[str, Any]:
        """How its scores were measured."""
        return self.configuration.report.protocol

    def training(self) -> Artefact:
        """The networks that were scored."""
        if self.stored_training is None:
            raise PartMissingError("its trained networks are not in the data folder")
        if self.stored_training.fingerprint != self.configuration.report.training_fingerprint:
            raise PartMissingError("it was trained again after its report was made")
        return self.stored_training

    def first_sound_member(self) -> int:
        """The first member whose training did not diverge; where all did, an error."""
        from pipeline.samples.members import sound_members  # imports torch

        return sound_members(self.training())[0]

    def samples(self) -> Artefact:
        """The images that were scored."""
        if self.stored_samples is None:
            raise PartMissingError("its samples are not in the data folder")
        if self.stored_samples.details.get("training") != self.configuration.report.training_fingerprint:
            raise PartMissingError("its samples were drawn by other weights than its report was made from")
        if not self.configuration.report.is_about(self.stored_samples):
            raise PartMissingError("its samples were drawn again after its report was made")
        if not self.stored_samples.details["members"]:
            raise PartMissingError("every member diverged")
        return self.stored_samples


def find_entries(ranking: Ranking, paths: Paths) -> list[PageEntry]:
    """The ranked configurations, best first."""
    return [
        PageEntry(
            configuration,
            read_artefact(paths.training(ranking.recipe, configuration.optimizer)),
            read_artefact(paths.samples(ranking.recipe, configuration.optimizer)),
        )
        for configuration in ranking.configurations
    ]


def colour_order(entries: Sequence[PageEntry]) -> list[str]:
    """The keys in the order of the table of configurations: a colour does not change with the ranking."""
    keys = [entry.key for entry in entries]
    known = [key for key in load_optimizers() if key in keys]
    return known + [key for key in keys if key not in known]


def gather_each(
    entries: Sequence[PageEntry], gather: Callable[[PageEntry], Found]
) -> tuple[dict[str, Found], dict[str, str]]:
    """What `gather` finds by configuration, and for those where it cannot, why."""
    found: dict[str, Found] = {}
    missing: dict[str, str] = {}
    for entry in entries:
        try:
            found[entry.key] = gather(entry)
        except (OSError, ValueError) as error:
            missing[entry.key] = reason(error)
    return found, missing


def other_weights(entries: Sequence[PageEntry], weights: Mapping[str, str]) -> list[str]:
    """Return a sentence for each configuration shown here with another kind of weights than its report scored.

    `weights` has the kind that is shown, by configuration.
    """
    scored = {entry.key: entry.configuration.report.weights for entry in entries}
    return [
        f"{key}: drawn with its {kind} weights here, scored with its {scored[key]} ones"
        for key, kind in weights.items()
        if kind != scored[key]
    ]


def reason(error: Exception) -> str:
    """The sentence of an error, for the page."""
    if isinstance(error, OSError) and error.strerror:
        return f"a file cannot be read ({error.strerror})"
    return without_folders(str(error)).rstrip(".")


def without_folders(text: str) -> str:
    """Paths cut to their last part: the page is sent to others, who have no use for this machine's folders."""
    return FOLDERS.sub("", text)
