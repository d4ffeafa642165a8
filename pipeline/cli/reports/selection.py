"""Selection: the stored reports that a command is about, and one sentence if there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.reports.store import Report, latest_of_all
from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

EXAMPLE_RECIPE = "mnist_mlp"


class NoReportError(ValueError):
    """Raised for a report that is not stored; the message names the command that makes it."""


def newest_reports(root: Path, recipe: str | None = None) -> list[Report]:
    """Return the newest report of every configuration (of one recipe), at least one."""
    reports = latest_of_all(root, recipe)
    if not reports:
        if recipe is not None:
            expect_recipe(root, recipe)
        filter_clause = "" if recipe is None else f" of {recipe}"
        advice = f"ganforge materialize {recipe or EXAMPLE_RECIPE}"
        raise NoReportError(f"no report{filter_clause} under {root} yet; make some with: {advice}")
    return reports


def newest_report(root: Path, recipe: str, optimizer: str) -> Report:
    """Return the newest report of one configuration of a recipe."""
    reports = {report.optimizer: report for report in newest_reports(root, recipe)}
    if optimizer not in reports and optimizer in load_optimizers():
        raise NoReportError(
            f"no report of {recipe} {optimizer} under {root} yet; make one with: "
            f"ganforge materialize {recipe} --optimizer {optimizer}"
        )
    return find(reports, optimizer, "optimizer configuration")


def expect_recipe(root: Path, recipe: str) -> None:
    """Raise unless the recipe is in a table or has reports."""
    reported = [folder.name.split("=", 1)[1] for folder in sorted(root.glob("recipe=*"))]
    find(dict.fromkeys([*load_recipes(), *reported]), recipe, "recipe")


def recipes_of(reports: Sequence[Report]) -> list[str]:
    """Return each recipe once, in the tables' order; recipes that are in no table any more come last."""
    recipes = dict.fromkeys(report.recipe for report in reports)
    in_tables = [recipe for recipe in load_recipes() if recipe in recipes]
    return [*in_tables, *(recipe for recipe in recipes if recipe not in in_tables)]


def find_metric(reports: Sequence[Report], name: str) -> str:
    """Return the key of a metric of at least one report for any spelling: `fid`, `FID`, `Inception Score`."""
    metrics = dict.fromkeys(metric for report in reports for metric in report.metrics())
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    find(metrics, key if key in metrics else name, "metric")
    return key
