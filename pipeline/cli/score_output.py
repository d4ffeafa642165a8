"""Score output: the scores of an image set as a table for people, or as JSON with every digit for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.cli.table import aligned
from pipeline.metrics.metric import Metric, Need, ScoreDefinition
from pipeline.metrics.score import NORMAL_95, Score
from pipeline.metrics.standalone.score_sets import SetScores, standalone_metrics

HEAD = ("score", "value", "95 % interval", "better")


def json_text(result: SetScores, notes: Sequence[str], protocol: dict[str, Any] | None) -> str:
    """Return one object with all digits; a score that is not defined is null and explained in `notes`."""
    values: dict[str, Any] = {}
    for metric in standalone_metrics():
        if Need.TRAINING_IMAGES not in metric.needs or result.n_train is not None:
            values |= _values(metric, result)
    values |= {"n_real": result.n_real, "n_generated": result.n_generated}
    values |= {} if result.n_train is None else {"n_train": result.n_train}
    values |= {"dimensions": result.dimensions, "k": result.neighbours, "notes": list(notes)}
    return json.dumps(values if protocol is None else {**values, "protocol": protocol}, indent=2, allow_nan=False)


def table_text(result: SetScores, notes: Sequence[str], protocol: dict[str, Any] | None) -> str:
    """Return a line on the two sets, one row per score, and the notes."""
    definitions = [definition for metric in standalone_metrics() for definition in metric.scores]
    rows = [HEAD, *(_row(score, result.scores[score.name]) for score in definitions if score.name in result.scores)]
    return "\n".join(
        [_sets_line(result, protocol), "", *aligned(rows), *([""] if notes else []), *(f"- {note}" for note in notes)]
    )


def _values(metric: Metric, result: SetScores) -> dict[str, Any]:
    """Return value and standard error of each score, then the details of how it was computed, by JSON key."""
    values: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for definition in metric.scores:
        name, score = definition.name, result.scores.get(definition.name)
        values[name] = None if score is None else score.value
        if definition.has_error:
            values[f"{name}_standard_error"] = None if score is None else score.standard_error
        details |= {f"{name}_{key}": None if score is None else score.details[key] for key in definition.details}
    return values | details


def _sets_line(result: SetScores, protocol: dict[str, Any] | None) -> str:
    parts = [f"{result.n_generated:,} generated images"]
    if result.n_real is not None:
        parts[0] += f" against {result.n_real:,} real ones"
    if result.n_train is not None:
        parts.append(f"copies of {result.n_train:,} training images")
    if result.dimensions is not None:
        parts.append(f"{result.dimensions:,} dimensions")
    if result.neighbours is not None:
        parts.append(f"k = {result.neighbours}")
    if protocol is not None:
        parts.append(f"extractor {protocol['extractor']} {protocol['extractor_sha256'][:12]}")
    return ", ".join(parts)


def _row(definition: ScoreDefinition, score: Score) -> tuple[str, str, str, str]:
    better = definition.better if definition.better != "neither" else ""
    return definition.name, f"{score.value:.6g}", _interval(score), better


def _interval(score: Score) -> str:
    if score.standard_error is None:
        return "-"
    half_width = NORMAL_95 * score.standard_error
    return f"{score.value - half_width:.6g} to {score.value + half_width:.6g}"
