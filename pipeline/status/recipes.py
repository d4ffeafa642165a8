"""Recipes: the status of what is made of all configurations together: comparison and champion.

In: a recipe, its reports' statuses and the data folder. Out: a `Status` each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.champion.decisions import read_decisions
from pipeline.champion.versions import DamagedChampionError, read_pointer, version_folder
from pipeline.settings import Recipe
from pipeline.status.state import FAILED, FRESH, MISSING, STALE, State, Status, Subject, changed, inherited, judge
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths

if TYPE_CHECKING:
    from pipeline.comparison.ranking import Ranking

LONGEST_REASON = 100  # characters; `ganforge champion history` has it whole
SEEN_BY = "tensors, classifier or reference were made again"


def comparison_status(
    recipe: Recipe, optimizers: Sequence[str], reports: Sequence[Status], paths: Paths, *, verify: bool = False
) -> Status:
    """Of a recipe's comparison."""
    from pipeline.comparison.damage import damage
    from pipeline.comparison.identity import DAMAGED, comparison_identity
    from pipeline.comparison.ranking import compare

    folder = paths.comparison(recipe.key)
    subject = Subject(f"{recipe.key}/comparison", None, folder, read_artefact(folder), _there(reports))

    def changes(artefact: Artefact) -> list[str]:
        try:
            ranking = compare(recipe.key, optimizers, paths)
        except (OSError, ValueError) as error:
            return [f"its reports cannot be compared: {error}"]
        was_damaged = artefact.identity is not None and DAMAGED in artefact.identity.decided_by
        damaged = damage(ranking, paths) if was_damaged else None  # compares whole files, so only where it matters
        wanted = comparison_identity(recipe, ranking, paths, damaged)
        found = changed(artefact, wanted, {})
        made_without = [] if artefact.identity is None else artefact.identity.decided_by["missing"]
        return _as_reasons(found, _without_report(made_without, wanted.decided_by["missing"]))

    return judge(subject, changes, verify=verify)


def _there(reports: Sequence[Status]) -> tuple[Status, ...]:
    """Those that a comparison is made of: a report that is missing is none."""
    return tuple(report for report in reports if report.state != MISSING)


def _without_report(before: Sequence[str], now: Sequence[str]) -> str:
    """How the configurations without a report are others."""
    more, fewer = ([each for each in one if each not in other] for one, other in ((now, before), (before, now)))
    said = [f"{', '.join(names)} {verb}" for names, verb in ((more, "added"), (fewer, "removed")) if names]
    return f"configurations without a report: {'; '.join(said) or 'in another order'}"


def _as_reasons(found: Sequence[str], without_report: str) -> list[str]:
    """Differences of a comparison's identity, in words."""
    said = []
    for each in found:
        name, _, rest = each.partition(" ")
        part, _, optimizer = name.partition(".")
        words = {
            "reports": f"{optimizer} has another report",
            "shown": f"{optimizer} was trained or drawn again",
            "missing": without_report,
            "left_out": f"{optimizer} cannot be compared with the ranked ones: {rest}",
            "along": "the scores along a training are others now",
            "seen_by": SEEN_BY,
            "damaged": "it was made without files that were damaged; since then, some were repaired or others damaged",
        }
        said.append(words.get(part, each))
    return list(dict.fromkeys(said))


# ---------------------------------------------------------------------------------------------------------------------
# Champion


def champion_status(
    recipe: Recipe, optimizers: Sequence[str], reports: Sequence[Status], paths: Paths, *, verify: bool = False
) -> Status:
    """Of a recipe's champion: stale where a report is, or is newer than what was last decided.

    That nobody was promoted is a decision too.
    """
    asset, folder = f"{recipe.key}/champion", paths.champion(recipe.key)
    try:
        pointer = read_pointer(recipe.key, paths)
    except DamagedChampionError as error:
        return Subject(asset, None, folder, None).status(FAILED, (f"damaged: {error}",), out_of_date=True)
    newer = _newer_reports(recipe, optimizers, paths)
    if pointer is None:
        lines = read_decisions(recipe.key, paths)
        subject = Subject(asset, None, folder, None)
        if not lines:
            return subject.missing()
        reasons = [*inherited(_there(reports)), *newer]
        state: State = STALE if reasons else FRESH
        return subject.status(state, reasons, (_short(lines[-1].reason),), out_of_date=bool(reasons))
    at = version_folder(recipe.key, pointer.version, paths)
    artefact = read_artefact(at)
    subject = Subject(asset, None, at, artefact, _there(reports))
    if artefact is None:
        return subject.status(FAILED, (f"damaged: {at.name} has no manifest",), out_of_date=True)
    notes = [f"version {pointer.version}: {artefact.details['optimizer']}"]
    return judge(subject, lambda _: newer, verify=verify, notes=notes)


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"


def _newer_reports(recipe: Recipe, optimizers: Sequence[str], paths: Paths) -> list[str]:
    """Comparable reports that the last decision was not about.

    By what it compared, not by its time: a report may be stored while a decision is being written. A rollback compares
    none: then the decision before it counts. By time only where no decision compared any.
    """
    from pipeline.comparison.ranking import compare

    lines = read_decisions(recipe.key, paths)
    if not lines:
        return []
    last = datetime.fromisoformat(lines[-1].time)
    known = next((set(each.reports.values()) for each in reversed(lines) if each.reports), None)
    try:
        ranking: Ranking = compare(recipe.key, optimizers, paths)
    except (OSError, ValueError):
        return []  # said of the comparison
    newer = [
        configuration.optimizer
        for configuration in ranking.configurations
        if (
            configuration.report.created_at.replace(microsecond=0) > last
            if known is None
            else configuration.report.report_id not in known
        )
    ]
    return [f"decided before the newest report of {', '.join(newer)}"] if newer else []
