"""Chosen: which stored reports a command is about, and one sentence where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.reports.store import Report, latest_of_all
from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

EXAMPLE_RECIPE = "mnist_mlp"


class NoReportError(ValueError):
    """What was asked for has not been reported; the message says how to make it."""


def newest_reports(root: Path, recipe: str | None = None) -> list[Report]:
    """The newest report of every configuration (of one recipe), at least one."""
    found = latest_of_all(root, recipe)
    if not found:
        if recipe is not None:
            expect_recipe(root, recipe)
        of_recipe = "" if recipe is None else f" of {recipe}"
        advice = f"ganforge materialize {recipe or EXAMPLE_RECIPE}"
        raise NoReportError(f"no report{of_recipe} under {root} yet; make some with: {advice}")
    return found


def newest_report(root: Path, recipe: str, optimizer: str) -> Report:
    """The newest report of one configuration of a recipe."""
    found = {report.optimizer: report for report in newest_reports(root, recipe)}
    if optimizer not in found and optimizer in load_optimizers():
        raise NoReportError(
            f"no report of {recipe} {optimizer} under {root} yet; make one with: "
            f"ganforge materialize {recipe} --optimizer {optimizer}"
        )
    return find(found, optimizer, "optimizer configuration")


def expect_recipe(root: Path, recipe: str) -> None:
    """The recipe is in the tables or has reports."""
    reported = [folder.name.split("=", 1)[1] for folder in sorted(root.glob("recipe=*"))]
    find(dict.fromkeys([*load_recipes(), *reported]), recipe, "recipe")


def recipes_of(reports: Sequence[Report]) -> list[str]:
    """Each recipe once, in the tables' order; those of no table any more at the end."""
    found = dict.fromkeys(report.recipe for report in reports)
    known = [recipe for recipe in load_recipes() if recipe in found]
    return [*known, *(recipe for recipe in found if recipe not in known)]


def metric_named(reports: Sequence[Report], name: str) -> str:
    """The metric of at least one report that a person means: `fid`, `FID`, `Inception Score`."""
    known = dict.fromkeys(metric for report in reports for metric in report.metrics())
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    find(known, key if key in known else name, "metric")
    return key
