"""Recipes: the statuses of comparison and champion, which are made from all configurations together.

In: a recipe, its reports' statuses and the data folder. Out: one `Status` each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.champion.decisions import read_decisions
from pipeline.champion.versions import DamagedChampionError, read_pointer, version_folder
from pipeline.settings import Recipe
from pipeline.status.state import (
    FAILED,
    FRESH,
    MISSING,
    STALE,
    AssetFolder,
    State,
    Status,
    assess,
    identity_changes,
    input_reasons,
)
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.training.details import TrainingDetails

if TYPE_CHECKING:
    from pipeline.comparison.ranking import Ranking

LONGEST_REASON = 100  # characters; `ganforge champion history` prints the whole reason


def comparison_status(
    recipe: Recipe, optimizers: Sequence[str], reports: Sequence[Status], paths: Paths, *, verify: bool = False
) -> Status:
    """Return the status of a recipe's comparison."""
    from pipeline.comparison.damage import damage
    from pipeline.comparison.identity import DAMAGED, comparison_identity
    from pipeline.comparison.ranking import compare

    folder = paths.comparison(recipe.key)
    stored = AssetFolder(f"{recipe.key}/comparison", None, folder, read_artefact(folder), _without_missing(reports))

    def find_changes(artefact: Artefact) -> list[str]:
        try:
            ranking = compare(recipe.key, optimizers, paths)
        except (OSError, ValueError) as error:
            return [f"its reports cannot be compared: {error}"]
        was_damaged = artefact.identity is not None and DAMAGED in artefact.identity.decided_by
        damaged = damage(ranking, paths) if was_damaged else None  # reads whole files, so only if it matters
        identity_now = comparison_identity(recipe, ranking, paths, damaged)
        changes = identity_changes(artefact, identity_now, {})
        missing_before = [] if artefact.identity is None else artefact.identity.decided_by["missing"]
        return _describe_changes(changes, _describe_missing(missing_before, identity_now.decided_by["missing"]))

    return assess(stored, find_changes, verify=verify)


def _without_missing(reports: Sequence[Status]) -> tuple[Status, ...]:
    """Leave out missing reports: a comparison is made from those that exist."""
    return tuple(report for report in reports if report.state != MISSING)


def _describe_missing(before: Sequence[str], now: Sequence[str]) -> str:
    """Describe which configurations lost or gained a report."""
    added = [optimizer for optimizer in now if optimizer not in before]
    removed = [optimizer for optimizer in before if optimizer not in now]
    parts = [f"{', '.join(names)} {verb}" for names, verb in ((added, "added"), (removed, "removed")) if names]
    return f"configurations without a report: {'; '.join(parts) or 'in another order'}"


def _describe_changes(changes: Sequence[str], missing: str) -> list[str]:
    """Replace the differences of a comparison's identity by sentences; `missing` is that of the missing reports."""
    sentences = []
    for change in changes:
        name, _, rest = change.partition(" ")
        part, _, optimizer = name.partition(".")
        words = {
            "reports": f"{optimizer} has another report",
            "replicates": f"{optimizer} has other replicates",
            "tie_margin": "the recipe's tie_margin changed",
            "shown": f"{optimizer} was trained again or has new samples",
            "missing": missing,
            "left_out": f"{optimizer} cannot be compared with the ranked ones: {rest}",
            "along": "the scores along a training changed",
            "seen_by": "tensors, classifier or reference were made again",
            "damaged": "damaged files were left out; since then some were repaired or more were damaged",
        }
        sentences.append(words.get(part, change))
    return list(dict.fromkeys(sentences))


# ---------------------------------------------------------------------------------------------------------------------
# Champion


def champion_status(
    recipe: Recipe, optimizers: Sequence[str], reports: Sequence[Status], paths: Paths, *, verify: bool = False
) -> Status:
    """Return the status of a recipe's champion.

    It is stale if a report is stale, or newer than the last decision. A decision to promote none counts too.
    """
    asset, folder = f"{recipe.key}/champion", paths.champion(recipe.key)
    without_version = AssetFolder(asset, None, folder, None)
    try:
        pointer = read_pointer(recipe.key, paths)
    except DamagedChampionError as error:
        return without_version.status(FAILED, (f"damaged: {error}",), out_of_date=True)
    newer = _newer_reports(recipe, optimizers, paths)
    if pointer is None:
        decisions = read_decisions(recipe.key, paths)
        if not decisions:
            return without_version.missing()
        reasons = [*input_reasons(_without_missing(reports)), *newer]
        state: State = STALE if reasons else FRESH
        note = _shorten(decisions[-1].reason)
        return without_version.status(state, reasons, (note,), out_of_date=bool(reasons))
    version = version_folder(recipe.key, pointer.version, paths)
    artefact = read_artefact(version)
    stored = AssetFolder(asset, None, version, artefact, _without_missing(reports))
    if artefact is None:
        return stored.status(FAILED, (f"damaged: {version.name} has no manifest",), out_of_date=True)
    notes = [f"version {pointer.version}: {artefact.details_as(TrainingDetails).optimizer}"]
    return assess(stored, lambda _: newer, verify=verify, notes=notes)


def _shorten(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"


def _newer_reports(recipe: Recipe, optimizers: Sequence[str], paths: Paths) -> list[str]:
    """Return a sentence on comparable reports that the last decision did not compare, or [].

    A report may be stored while a decision is being written, so the decision's list of reports is read and not its
    time. A rollback compares none; then the decision before it counts. The time counts if no decision compared any.
    """
    from pipeline.comparison.ranking import compare

    decisions = read_decisions(recipe.key, paths)
    if not decisions:
        return []
    last = datetime.fromisoformat(decisions[-1].time)
    compared = next((set(decision.reports.values()) for decision in reversed(decisions) if decision.reports), None)
    try:
        ranking: Ranking = compare(recipe.key, optimizers, paths)
    except (OSError, ValueError):
        return []  # the status of the comparison names the error
    newer = [
        configuration.optimizer
        for configuration in ranking.configurations
        if (
            configuration.report.created_at.replace(microsecond=0) > last
            if compared is None
            else configuration.report.report_id not in compared
        )
    ]
    return [f"decided before the newest report of {', '.join(newer)}"] if newer else []
