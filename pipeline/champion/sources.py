"""Sources: the weights and samples that a report is about, if they still exist.

In: a report. Out: `Sources`. Training or sampling again replaces them; the error then names the assets to materialize.
Imports no PyTorch.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reports.store import Report
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.storage.verification import expect_readable, sha256_of_file


class SourceGoneError(ValueError):
    """A report is about weights or samples that are gone; the message names the assets to materialize."""


@dataclass(frozen=True)
class Sources:
    """A report with its training and its samples."""

    report: Report
    training: Artefact
    samples: Artefact

    @property
    def protocol(self) -> dict[str, Any]:
        """The facts that must agree before the report may be compared with another one."""
        return self.report.protocol

    @property
    def weights(self) -> str:
        """The kind of weights that generated the scored samples: "raw" or "average"."""
        return self.samples.details_as(SamplesDetails).weights

    def best_member(self, metric: str) -> int:
        """Return the sound member with the best score; at least one member must have a score."""
        by_member = self.report.by_member(metric)
        scores = {member: value for member, value in by_member.items() if value is not None}
        sign = 1 if self.report.better(metric) == "lower" else -1
        return min(scores, key=lambda member: (sign * scores[member], member))


def find_sources(report: Report, paths: Paths) -> Sources:
    """Return a report with its training and samples; `SourceGoneError` if one is gone. Files are checked on copying."""
    recipe, optimizer = report.recipe, report.optimizer
    training = read_artefact(paths.training(recipe, optimizer))
    if training is None:
        folder = paths.training(recipe, optimizer)
        raise _gone(f"{folder}: found no trained networks", report, "generator", "samples", "report")
    if training.fingerprint != report.training_fingerprint:
        problem = f"{training.folder}: trained again after its newest report, so these weights have no scores yet"
        raise _gone(problem, report, "samples", "report")
    samples = read_artefact(paths.samples(recipe, optimizer))
    if samples is None or samples.details_as(SamplesDetails).training != training.fingerprint:
        problem = f"{paths.samples(recipe, optimizer)}: found no samples of the present weights"
        raise _gone(problem, report, "samples", "report")
    if not report.is_about(samples):
        raise _gone(f"{samples.folder}: generated again after the newest report", report, "report")
    return Sources(report, training, samples)


def copy_files(artefact: Artefact, names: list[str], folder: Path) -> None:
    """Copy an artefact's files; `SourceGoneError` if a copy does not match the manifest.

    The copies are checked and not the originals, since another training may replace the artefact during the copying.
    """
    for name in names:
        expect_readable(artefact.path(name))
        try:
            copied = shutil.copyfile(artefact.path(name), folder / name)
            matches = sha256_of_file(copied) == artefact.files[name].sha256
        except FileNotFoundError:
            matches = False
        if not matches:
            raise SourceGoneError(
                f"{artefact.path(name)}: damaged, or replaced while it was copied; {artefact.how_to_make()}"
            )


def _gone(problem: str, report: Report, *assets: str) -> SourceGoneError:
    recipe, optimizer = report.recipe, report.optimizer
    keys = [f"{recipe}/{asset}" for asset in assets]
    listed = keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"
    return SourceGoneError(f"{problem}; materialize {listed}, partition {optimizer}, first")
