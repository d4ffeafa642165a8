"""Sources: the weights and samples that a report is about, where they are still there.

In: a report. Out: `Sources`. Training or sampling again replaces what a report was made from; then a sentence says
what to materialize. Imports no PyTorch.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.comparison.verdicts import member_scores
from pipeline.reports.store import Report
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.storage.remedy import how_to_make
from pipeline.storage.verification import expect_readable, sha256_of_file


class SourceGoneError(ValueError):
    """A report is about weights or samples that are no longer there; the message says what to materialize."""


@dataclass(frozen=True)
class Sources:
    """A report and what it is about."""

    report: Report
    training: Artefact
    samples: Artefact

    @property
    def protocol(self) -> dict[str, Any]:
        """How the report was measured."""
        return self.report.protocol

    @property
    def weights(self) -> str:
        """The kind of weights that drew the scored samples: "raw" or "average"."""
        return self.samples.details_as(SamplesDetails).weights

    def best_member(self, metric: str) -> int:
        """The sound member with the best score; at least one has one."""
        scores = member_scores(self.report, metric).sound()
        sign = 1 if self.report.better(metric) == "lower" else -1
        return min(scores, key=lambda member: (sign * scores[member], member))


def find_sources(report: Report, paths: Paths) -> Sources:
    """What a report is about; `SourceGoneError` where it is gone. Files are checked when they are copied."""
    recipe, optimizer = report.recipe, report.optimizer
    training = read_artefact(paths.training(recipe, optimizer))
    if training is None:
        folder = paths.training(recipe, optimizer)
        raise _gone(f"{folder}: no trained networks there any more", report, "generator", "samples", "report")
    if training.fingerprint != report.training_fingerprint:
        found = f"{training.folder}: trained again after its newest report, so these weights have no scores yet"
        raise _gone(found, report, "samples", "report")
    samples = read_artefact(paths.samples(recipe, optimizer))
    if samples is None or samples.details["training"] != training.fingerprint:
        found = f"{paths.samples(recipe, optimizer)}: no samples drawn by the weights there now"
        raise _gone(found, report, "samples", "report")
    if not report.is_about(samples):
        raise _gone(f"{samples.folder}: drawn again after the newest report", report, "report")
    return Sources(report, training, samples)


def copy_files(artefact: Artefact, names: list[str], folder: Path) -> None:
    """Copy an artefact's files; `SourceGoneError` where one is not what the manifest says.

    The copies are compared: another training may take the artefact's place meanwhile.
    """
    for name in names:
        expect_readable(artefact.path(name))
        try:
            copied = shutil.copyfile(artefact.path(name), folder / name)
            is_whole = sha256_of_file(copied) == artefact.files[name].sha256
        except FileNotFoundError:
            is_whole = False
        if not is_whole:
            raise SourceGoneError(f"{artefact.path(name)}: damaged, or replaced meanwhile; {how_to_make(artefact)}")


def _gone(found: str, report: Report, *assets: str) -> SourceGoneError:
    recipe, optimizer = report.recipe, report.optimizer
    named = [f"{recipe}/{asset}" for asset in assets]
    wanted = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return SourceGoneError(f"{found}; materialize {wanted}, partition {optimizer}, first")
