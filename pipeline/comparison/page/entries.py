"""Entries: the configurations on the page, each with the training and the samples that its report is about.

An artefact that is gone or belongs to another training raises `PartMissingError`, one sentence. `gather_each` collects
these sentences with the results, and the page prints them in place of the part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.samples.details import SamplesDetails
from pipeline.settings import load_optimizers
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths

Part = TypeVar("Part")

FOLDERS = re.compile(r"(?<![\w/.:])/(?:[^\s/'\":;,]+/)+")  # the folders of an absolute path in a text


class PartMissingError(ValueError):
    """A part that the page cannot show; the message is a sentence for its reader."""


@dataclass(frozen=True)
class PageEntry:
    """One ranked configuration with the present artefacts of its partition."""

    configuration: RankedConfiguration
    stored_training: Artefact | None
    stored_samples: Artefact | None

    @property
    def key(self) -> str:
        """The key of the configuration."""
        return self.configuration.optimizer

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the training from the report; empty if it has none."""
        return self.configuration.report.settings

    @property
    def protocol(self) -> dict[str, Any]:
        """The report's protocol: the facts that must agree before scores may be compared."""
        return self.configuration.report.protocol

    def training(self) -> Artefact:
        """Return the training that was scored; `PartMissingError` if it is gone or was replaced."""
        if self.stored_training is None:
            raise PartMissingError("its trained networks are not in the data folder")
        if self.stored_training.fingerprint != self.configuration.report.training_fingerprint:
            raise PartMissingError("it was trained again after its report was made")
        return self.stored_training

    def first_sound_member(self) -> int:
        """Return the first member that did not diverge; an error if all did."""
        from pipeline.samples.members import sound_members  # imports torch

        return sound_members(self.training())[0]

    def samples(self) -> Artefact:
        """Return the samples that were scored; `PartMissingError` if they are gone, replaced or empty."""
        if self.stored_samples is None:
            raise PartMissingError("its samples are not in the data folder")
        details = self.stored_samples.details_as(SamplesDetails)
        if details.training != self.configuration.report.training_fingerprint:
            raise PartMissingError("its samples were generated with other weights than its report is about")
        if not self.configuration.report.is_about(self.stored_samples):
            raise PartMissingError("its samples were generated again after its report was made")
        if not details.members:
            raise PartMissingError("every member diverged")
        return self.stored_samples


def find_entries(ranking: Ranking, paths: Paths) -> list[PageEntry]:
    """Return the ranked configurations with their artefacts, best first."""
    return [
        PageEntry(
            configuration,
            read_artefact(paths.training(ranking.recipe, configuration.optimizer)),
            read_artefact(paths.samples(ranking.recipe, configuration.optimizer)),
        )
        for configuration in ranking.configurations
    ]


def colour_order(entries: Sequence[PageEntry]) -> list[str]:
    """Return the keys in the order of the table of configurations: a colour does not change with the ranking."""
    keys = [entry.key for entry in entries]
    in_table = [key for key in load_optimizers() if key in keys]
    return in_table + [key for key in keys if key not in in_table]


def gather_each(
    entries: Sequence[PageEntry], gather: Callable[[PageEntry], Part]
) -> tuple[dict[str, Part], dict[str, str]]:
    """Return the results of `gather` by configuration, and the reasons for those where it fails."""
    parts: dict[str, Part] = {}
    missing: dict[str, str] = {}
    for entry in entries:
        try:
            parts[entry.key] = gather(entry)
        except (OSError, ValueError) as error:
            missing[entry.key] = reason(error)
    return parts, missing


def other_weights(entries: Sequence[PageEntry], weights: Mapping[str, str]) -> list[str]:
    """Return a sentence for each configuration shown here with another kind of weights than its report scored.

    `weights` has the kind that is shown, by configuration.
    """
    scored = {entry.key: entry.configuration.report.weights for entry in entries}
    return [
        f"{key}: images of its {kind} weights here, scores of its {scored[key]} ones"
        for key, kind in weights.items()
        if kind != scored[key]
    ]


def reason(error: Exception) -> str:
    """Return the message of an error as a sentence for the page."""
    if isinstance(error, OSError) and error.strerror:
        return f"a file cannot be read ({error.strerror})"
    return without_folders(str(error)).rstrip(".")


def without_folders(text: str) -> str:
    """Return the text with every path cut to its last part: people without access to this machine get the page."""
    return FOLDERS.sub("", text)
