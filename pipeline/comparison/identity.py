"""Identity: everything that decides a comparison: the compared reports, and the artefacts that the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.comparison import CODE_VERSION
from pipeline.comparison.ranking import Ranking
from pipeline.reports.by_step import scores_along
from pipeline.settings import Recipe
from pipeline.storage.artefact import read_artefact
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths

DAMAGED = "damaged"  # key in `decided_by`
PAST = "earlier trainings"  # no configuration's key: keys have no spaces


def comparison_identity(
    recipe: Recipe, ranking: Ranking, paths: Paths, damaged: Mapping[str, str] | None = None
) -> Identity:
    """Return the identity of the ranking and its page for the present files and reports.

    `damaged` is the damage by file if the page is made without some files; the identity then contains it.
    """
    seen_by = [_now(folder(recipe.dataset)) for folder in (paths.tensors, paths.classifier, paths.reference)]
    decided = decided_by_reports(ranking)
    ranked = ranking.configurations
    along = [
        configuration.optimizer for configuration in ranked if scores_along(configuration.report, paths) is not None
    ]
    decided_by = {
        "recipe": recipe.key,
        **decided,
        "replicates": _replicates(ranking),
        "tie_margin": ranking.choices.margin,
        "along": along,
        "shown": {optimizer: _shown(recipe.key, optimizer, paths) for optimizer in decided["reports"]},
        "description": recipe.description,
        "source": recipe.source,
        "seen_by": seen_by,
        **({DAMAGED: dict(damaged)} if damaged else {}),
    }
    return Identity("comparison", CODE_VERSION, decided_by)


def decided_by_reports(ranking: Ranking) -> dict[str, Any]:
    """Return the ids of the newest compared reports, and the configurations that are missing or cannot be compared."""
    reports = {configuration.optimizer: configuration.report.report_id for configuration in ranking.configurations}
    return {"reports": reports, "missing": ranking.missing, "left_out": ranking.incomparable}


def _replicates(ranking: Ranking) -> dict[str, list[str]]:
    """Return the ids of all reports whose members are compared, by configuration, and of those of earlier trainings."""
    ids = {
        configuration.optimizer: [report.report_id for report in configuration.replicates.reports]
        for configuration in ranking.configurations
    }
    past = sorted(report.report_id for replicates in ranking.past for report in replicates.reports)
    return {**ids, PAST: past}


def _shown(recipe: str, optimizer: str, paths: Paths) -> list[str | None]:
    """Return the fingerprints of the present training and samples, which the page's pictures are made from."""
    return [_now(folder(recipe, optimizer)) for folder in (paths.training, paths.samples)]


def _now(folder: Path) -> str | None:
    """Return the fingerprint of the artefact in a folder, or None."""
    artefact = read_artefact(folder)
    return None if artefact is None else artefact.fingerprint
