"""Compare: two configurations against each other: settings that differ, scores with verdicts, and training curves.

Both may be of different recipes, steps and widths, as long as their scores were measured the same way. Where trainings
are unequal, the text and the JSON name the difference: a verdict is then as much about the budgets as about the
configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.judging import Judging
from pipeline.cli.reports.selection import NoReportError
from pipeline.cli.reports.sides import Side, find_sides
from pipeline.cli.table import aligned
from pipeline.comparison.curves import COLUMNS, draw_overlaid
from pipeline.comparison.differences import differing_settings
from pipeline.comparison.protocol import budget_difference, expect_one_protocol
from pipeline.comparison.ranking import Estimate, estimate, other_trainings, tie_margin
from pipeline.comparison.ranking_verdicts import compare_replicates
from pipeline.comparison.replicates import Replicates
from pipeline.comparison.rules import Choices
from pipeline.comparison.verdicts import Verdict
from pipeline.reports.store import history_of
from pipeline.storage.paths import Paths
from pipeline.training.records.loss_curves import over_members

BARS = "▁▂▃▄▅▆▇█"
BAR_COUNT = 40


def answer(first: str, second: str, recipe: str | None, curves: str | None, judging: Judging) -> Answer:
    """Return the comparison of both; draw their curves into the file `curves`."""
    sides = find_sides(first, second, recipe, Paths.default(), newest=judging.newest)
    reports = [side.report for side in sides]
    expect_one_protocol(reports)
    unequal = budget_difference(*reports)
    settings = differing_settings(reports)
    scores = _scores(sides, judging)
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


def _facts(side: Side) -> dict[str, Any]:
    names = ("recipe", "optimizer", "report_id", "created_at", "steps", "seed", "members", "diverged_members")
    pooled = {"members": side.replicates.count, "diverged_members": side.replicates.diverged}
    return {**side.report.facts(names), **pooled, "reports": len(side.replicates.reports)}


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def _scores(sides: list[Side], judging: Judging) -> list[dict[str, Any]]:
    """Return one row per metric of either report."""
    metrics = dict.fromkeys(metric for side in sides for metric in side.report.metrics())
    stored = history_of(Paths.default().reports(), sides[0].report.recipe)
    past = other_trainings([side.replicates for side in sides], stored)
    return [_score(sides, metric, judging, past) for metric in metrics]


def _score(sides: list[Side], metric: str, judging: Judging, past: Sequence[Replicates]) -> dict[str, Any]:
    reports = [side.report for side in sides if metric in side.report.metrics()]
    row: dict[str, Any] = {"metric": metric, "better": reports[0].better(metric)}
    for name, side in zip(("first", "second"), sides, strict=True):
        mean = estimate(side.replicates.values(metric))
        row |= {name: mean.mean, f"{name}_half_width": mean.half_width}
    verdicts = _verdicts(sides, metric, judging, past) if len(reports) == len(sides) else []
    for verdict in verdicts:
        facts = asdict(verdict)
        columns = [name for name in facts if name not in ("first", "second", "metric")]
        row |= {name: facts[name] for name in columns} | {"said": str(verdict)}
    return row


def _verdicts(sides: list[Side], metric: str, judging: Judging, past: Sequence[Replicates]) -> list[Verdict]:
    """Return the verdict on the pair; none for a metric without a better end."""
    evidence, names = [side.replicates for side in sides], [side.name for side in sides]
    choices = Choices(judging.test, tie_margin(sides[0].report.recipe))
    return compare_replicates(evidence, metric, names=names, past=past, choices=choices)


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
        "each verdict is for this pair and score alone, at 5 %; the ranking's verdicts are corrected for all its pairs",
        f"members: {' and '.join(str(side.replicates.count) for side in sides)}",
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
