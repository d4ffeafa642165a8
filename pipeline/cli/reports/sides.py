"""Sides: the two things that `ganforge reports compare` compares, as a person names them.

In: `CONFIGURATION`, `RECIPE/CONFIGURATION`, either with `@STEPS`, or the beginning of a report's id. Out: `Side`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline.cli.reports.selection import NoReportError, newest_report, newest_reports, recipes_of
from pipeline.comparison.curves import curves_of
from pipeline.comparison.replicates import Replicates, alone, pool_of
from pipeline.reports.store import Report, find_report, history_of
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError

REPORT_ID = re.compile(r"[0-9a-f]{8,32}")
SHORT_ID = 8  # characters of a report's id in a heading


@dataclass(frozen=True)
class Wanted:
    """One of the two as typed."""

    text: str
    recipe: str | None
    optimizer: str
    steps: int | None  # None: of the newest report

    @property
    def is_report(self) -> bool:
        """True for the id of a report."""
        return self.recipe is None and self.steps is None and is_report_id(self.text)


@dataclass(frozen=True)
class Side:
    """One of the two with its scores."""

    name: str  # as short as tells the two apart
    replicates: Replicates
    paths: Paths

    @property
    def report(self) -> Report:
        """The newest report of this side."""
        return self.replicates.newest

    @cached_property
    def curves(self) -> pa.Table | None:
        """The training history, if the stored weights are still those of the report; None for a damaged one too."""
        return self._curves[0]

    @property
    def why_no_curves(self) -> str:
        """The reason for a missing history."""
        return self._curves[1]

    @cached_property
    def _curves(self) -> tuple[pa.Table | None, str]:
        try:  # scores come from the store, so a damaged training costs only its curves
            curves = curves_of(self.report, self.paths)
        except ArtefactFileError as error:
            return None, str(error)
        return curves, "" if curves is not None else "the training that its report is about is not in the data folder"


def is_report_id(text: str) -> bool:
    """Return whether a text is the beginning of a report's id, and no configuration."""
    return bool(REPORT_ID.fullmatch(text)) and text not in load_optimizers()


def find_sides(first: str, second: str, recipe: str | None, paths: Paths, *, newest: bool) -> list[Side]:
    """Return both sides; raise `ValueError` if one does not exist, or if both are the same."""
    both = [_read(text) for text in (first, second)]
    bare = [wanted.optimizer for wanted in both if wanted.recipe is None and not wanted.is_report]
    common = recipe if recipe is not None or not bare else _common_recipe(bare, paths)
    reports = [_report(wanted, common, paths) for wanted in both]
    if reports[0].report_id == reports[1].report_id:
        raise ValueError(f"found {first} twice, expected two configurations to compare")
    sides = [_replicates(wanted, report, paths, newest=newest) for wanted, report in zip(both, reports, strict=True)]
    return [Side(name, side, paths) for name, side in zip(_names(reports), sides, strict=True)]


def _read(text: str) -> Wanted:
    name, at, steps = text.partition("@")
    recipe, slash, optimizer = name.partition("/")
    digits = steps.replace(",", "").replace("_", "")
    if at and not digits.isdecimal():
        raise ValueError(f"{text}: found {steps!r} after @, expected a number of steps such as @4500")
    return Wanted(text, recipe if slash else None, optimizer if slash else name, int(digits) if at else None)


def _report(wanted: Wanted, recipe: str | None, paths: Paths) -> Report:
    if wanted.is_report:
        return find_report(paths.reports(), wanted.text)
    key = wanted.recipe or str(recipe)
    if wanted.steps is None:
        return newest_report(paths.reports(), key, wanted.optimizer)
    stored = history_of(paths.reports(), key, wanted.optimizer)
    of_steps = [report for report in stored if report.steps == wanted.steps]
    if not of_steps:
        newest_report(paths.reports(), key, wanted.optimizer)  # raises for a recipe or configuration without any
        others = ", ".join(f"{steps:,}" for steps in sorted({report.steps for report in stored}))
        raise NoReportError(
            f"{wanted.text}: {key} {wanted.optimizer} has no report of {wanted.steps:,} steps, but of {others}; make "
            f"one with: ganforge materialize {key} --optimizer {wanted.optimizer} --steps {wanted.steps}"
        )
    return of_steps[-1]


def _replicates(wanted: Wanted, report: Report, paths: Paths, *, newest: bool) -> Replicates:
    if wanted.is_report or newest:
        return alone(report)
    return pool_of(report, history_of(paths.reports(), report.recipe, report.optimizer))


def _names(reports: list[Report]) -> list[str]:
    """Return the shortest names that differ: configurations, with recipes, with steps, or with ids of reports."""
    one_recipe = len({report.recipe for report in reports}) == 1
    names = [report.optimizer if one_recipe else f"{report.recipe}/{report.optimizer}" for report in reports]
    if len(set(names)) == 1:
        names = [f"{name}@{report.steps}" for name, report in zip(names, reports, strict=True)]
    if len(set(names)) == 1:
        names = [report.report_id[:SHORT_ID] for report in reports]
    return names


def _common_recipe(optimizers: list[str], paths: Paths) -> str:
    """Return the only recipe in which all these configurations have reports."""
    reports = newest_reports(paths.reports())
    homes = {name: [r.recipe for r in reports if r.optimizer == name] for name in optimizers}
    common = [recipe for recipe in recipes_of(reports) if all(recipe in home for home in homes.values())]
    if len(common) > 1:
        names = " and ".join(optimizers)
        raise NoReportError(f"{names} have reports in several recipes; name one with --recipe: {', '.join(common)}")
    if not common:
        lists = "; ".join(f"{name} has reports in {', '.join(homes[name]) or 'no recipe'}" for name in optimizers)
        raise NoReportError(f"{lists}; expected one recipe with all of them, or RECIPE/CONFIGURATION for each")
    return common[0]
