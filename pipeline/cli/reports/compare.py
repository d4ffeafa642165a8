"""Compare: two configurations against each other: settings that differ, scores with verdicts, and training curves.

Both may be of different recipes, steps and widths, as long as their scores were measured the same way. Where trainings
are unequal, the text and the JSON name the difference: a verdict is then as much about the budgets as about the
configurations.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.selection import NoReportError, newest_report, newest_reports, recipes_of
from pipeline.cli.table import aligned
from pipeline.comparison.curves import COLUMNS, curves_of, draw_overlaid
from pipeline.comparison.differences import differing_settings
from pipeline.comparison.protocol import budget_difference, expect_one_protocol
from pipeline.comparison.ranking import Estimate, estimate
from pipeline.comparison.verdicts import Verdict, compare_pairs, member_scores
from pipeline.reports.store import Report
from pipeline.storage.paths import Paths
from pipeline.storage.verification import ArtefactFileError
from pipeline.training.records.loss_curves import over_members

BARS = "▁▂▃▄▅▆▇█"
BAR_COUNT = 40


@dataclass(frozen=True)
class Side:
    """One of the two configurations."""

    name: str  # the configuration, with its recipe if the recipes differ
    report: Report
    curves: pa.Table | None  # its training history, if the stored weights are still those of the report
    why_no_curves: str = ""


def answer(first: str, second: str, recipe: str | None, curves: str | None) -> Answer:
    """Return the comparison of the newest reports of both; draw their curves into the file `curves`."""
    paths = Paths.default()
    sides = _sides(first, second, recipe, paths)
    reports = [side.report for side in sides]
    expect_one_protocol(reports)
    unequal = budget_difference(*reports)
    settings = differing_settings(reports)
    scores = _scores(sides)
    if curves is not None:
        _draw(Path(curves), sides)
    values = {
        "first": _facts(sides[0]),
        "second": _facts(sides[1]),
        "settings": {name: dict(zip(("first", "second"), pair, strict=True)) for name, pair in settings.items()},
        "unequal": unequal,
        "scores": scores,
        "curves": [_curve_values(side) for side in sides],
        "no_curves": {side.name: side.why_no_curves for side in sides if side.curves is None},
    }
    return Answer(_text(sides, settings, scores, unequal), scores, values)


def _sides(first: str, second: str, recipe: str | None, paths: Paths) -> list[Side]:
    bare = [name for name in (first, second) if "/" not in name]
    if recipe is None and bare:
        recipe = _common_recipe(bare, paths)
    keys = [_key(name, recipe) for name in (first, second)]
    if keys[0] == keys[1]:
        raise ValueError(f"found {first} twice, expected two configurations to compare")
    one_recipe = keys[0][0] == keys[1][0]
    reports = [newest_report(paths.reports(), *key) for key in keys]
    names = [optimizer if one_recipe else f"{key}/{optimizer}" for key, optimizer in keys]
    return [_side(name, report, paths) for name, report in zip(names, reports, strict=True)]


def _side(name: str, report: Report, paths: Paths) -> Side:
    """Return one of the two. Its scores come from the store, so a damaged training costs only its curves."""
    try:
        curves = curves_of(report, paths)
    except ArtefactFileError as error:
        return Side(name, report, None, str(error))
    return Side(name, report, curves, "the training that its report is about is not in the data folder")


def _key(name: str, recipe: str | None) -> tuple[str, str]:
    """Return recipe and configuration of a name with or without its recipe."""
    head, slash, optimizer = name.partition("/")
    return (head, optimizer) if slash else (str(recipe), name)


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


def _facts(side: Side) -> dict[str, Any]:
    names = ("recipe", "optimizer", "report_id", "created_at", "steps", "seed", "members", "diverged_members")
    return side.report.facts(names)


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def _scores(sides: list[Side]) -> list[dict[str, Any]]:
    """Return one row per metric of either report."""
    return [_score(sides, metric) for metric in dict.fromkeys(m for side in sides for m in side.report.metrics())]


def _score(sides: list[Side], metric: str) -> dict[str, Any]:
    reports = [side.report for side in sides if metric in side.report.metrics()]
    better = reports[0].better(metric)
    means = [estimate(side.report.scores(metric)) for side in sides]
    row: dict[str, Any] = {"metric": metric, "better": better}
    for name, mean in zip(("first", "second"), means, strict=True):
        row |= {name: mean.mean, f"{name}_half_width": mean.half_width}
    verdict = _verdict(sides, metric, better) if len(reports) == len(sides) else None
    if verdict is None:
        return row
    facts = asdict(verdict)
    columns = ("difference", "low", "high", "p", "verdict", "paired", "members", "more_members", "note")
    return row | {name: facts[name] for name in columns} | {"said": str(verdict)}


def _verdict(sides: list[Side], metric: str, better: str) -> Verdict | None:
    if better not in ("lower", "higher"):
        return None
    scores = [member_scores(side.report, metric, side.name) for side in sides]
    (verdict,) = compare_pairs(scores, metric, lower_is_better=better == "lower")
    return verdict


# ---------------------------------------------------------------------------------------------------------------------
# Text


def _text(sides: list[Side], settings: dict[str, list[Any]], scores: list[dict[str, Any]], unequal: str) -> str:
    names = [side.name for side in sides]
    table = [["setting", *names], *([name, *map(_setting, values)] for name, values in settings.items())]
    lines = (
        aligned(table)
        if settings
        else [f"{names[0]} and {names[1]} have equal settings, as far as their reports record"]
    )
    lines += ["", *aligned([["score", *names, "better", "verdict"], *map(_cells, scores)])]
    lines += [
        "each verdict is for this pair and score alone, at 5 %; the ranking's verdicts are corrected for all its pairs"
    ]
    if unequal:
        lines.append(f"unequal trainings ({unequal}): a difference may come from these instead of the configurations")
    return "\n".join([*lines, *_curves(sides)])


def _setting(value: Any) -> str:
    return "-" if value is None else str(value)


def _cells(row: dict[str, Any]) -> list[str]:
    means = [Estimate(row[name], row[f"{name}_half_width"]) for name in ("first", "second")]
    better = "" if row["better"] == "neither" else row["better"]
    return [row["metric"], *map(str, means), better, row.get("said", "")]


def _curves(sides: list[Side]) -> list[str]:
    """Return one line per curve: bars from its least to its greatest value, mean over members, first and last value."""
    lines = []
    for column, label in COLUMNS.items():
        values = [None if side.curves is None else _mean_curve(side.curves, column) for side in sides]
        both = np.concatenate([np.empty(0), *(curve[1] for curve in values if curve is not None)])
        if np.isfinite(both).any():
            limits = (float(np.nanmin(both)), float(np.nanmax(both)))
            lines += [[label, side.name, *_bars(curve, limits)] for side, curve in zip(sides, values, strict=True)]
    notes = [f"no curves of {side.name}: {side.why_no_curves}" for side in sides if side.curves is None]
    return ["", *aligned(lines), *notes] if lines else ["", *notes]


def _mean_curve(history: pa.Table, column: str) -> tuple[Any, Any]:
    steps = np.unique(history["step"].to_numpy())
    return steps, over_members(history, column, steps)[1]


def _bars(curve: tuple[Any, Any] | None, limits: tuple[float, float]) -> list[str]:
    if curve is None or not np.isfinite(curve[1]).any():
        return ["-", ""]
    values = curve[1][np.isfinite(curve[1])]
    pieces = np.array_split(values, min(BAR_COUNT, len(values)))
    span = limits[1] - limits[0] or 1.0
    heights = [int((piece.mean() - limits[0]) / span * (len(BARS) - 1) + 0.5) for piece in pieces]
    return ["".join(BARS[height] for height in heights), f"{values[0]:.3g} to {values[-1]:.3g}"]


def _curve_values(side: Side) -> dict[str, Any] | None:
    if side.curves is None:
        return None
    steps = np.unique(side.curves["step"].to_numpy())
    means = {column: over_members(side.curves, column, steps)[1].tolist() for column in COLUMNS}
    return {"name": side.name, "step": steps.tolist(), **means}


def _draw(path: Path, sides: list[Side]) -> None:
    if path.suffix.lower() != ".png":
        raise ValueError(f"--curves is {path}, expected the name of a .png to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    curves = {side.name: side.curves for side in sides if side.curves is not None}
    if not curves:
        reasons = "; ".join(f"{side.name}: {side.why_no_curves}" for side in sides)
        raise NoReportError(
            f"neither has training curves that belong to its report ({reasons}); train and score them again"
        )
    path.write_bytes(draw_overlaid(curves))
