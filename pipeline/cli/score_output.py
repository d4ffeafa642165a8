"""Score output: the scores of an image set as a table for people, or as JSON with every digit for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.cli.table import aligned
from pipeline.metrics.catalogue import BETTER
from pipeline.metrics.features import Score
from pipeline.metrics.standalone.score_sets import SetScores

# Of these the JSON object has the standard error beside the value.
WITH_ERROR = ("fid", "fid_infinity", "kid", "inception_score", "memorisation_distance", "authenticity")
OF_COPIES = ("memorisation_distance", "authenticity")  # only where training images are given
ROWS = (
    "fid",
    "fid_infinity",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
    "inception_score",
    "inception_score_infinity",
    "inception_score_splits_mean",
    "inception_score_splits_std",
    *OF_COPIES,
)
TWO_SIDED_95 = 1.96  # standard errors of a normal distribution
HEAD = ("score", "value", "95 % interval", "better")


def as_json(found: SetScores, notes: Sequence[str], protocol: dict[str, Any] | None) -> str:
    """One object, all digits; what is not defined is null and explained in `notes`."""
    values: dict[str, Any] = {}
    for name in ROWS:
        if name in OF_COPIES and found.n_train is None:
            continue
        score = found.scores.get(name)
        values[name] = None if score is None else score.value
        if name in WITH_ERROR:
            values[f"{name}_standard_error"] = None if score is None else score.standard_error
        if name == "fid_infinity":
            values["fid_route"] = None if found.distance is None else found.distance.route
            values["fid_rank"] = None if found.distance is None else found.distance.rank
    values |= {"n_real": found.n_real, "n_generated": found.n_generated}
    values |= {} if found.n_train is None else {"n_train": found.n_train}
    values |= {"dimensions": found.dimensions, "k": found.neighbours, "notes": list(notes)}
    return json.dumps(values if protocol is None else {**values, "protocol": protocol}, indent=2, allow_nan=False)


def as_table(found: SetScores, notes: Sequence[str], protocol: dict[str, Any] | None) -> str:
    """What was judged, a row a score, and the notes."""
    rows = [HEAD, *(_row(name, found.scores[name]) for name in ROWS if name in found.scores)]
    return "\n".join(
        [_judged(found, protocol), "", *aligned(rows), *([""] if notes else []), *(f"- {note}" for note in notes)]
    )


def _judged(found: SetScores, protocol: dict[str, Any] | None) -> str:
    parts = [f"{found.n_generated:,} generated images"]
    if found.n_real is not None:
        parts[0] += f" against {found.n_real:,} real ones"
    if found.n_train is not None:
        parts.append(f"copies of {found.n_train:,} training images")
    if found.dimensions is not None:
        parts.append(f"{found.dimensions:,} dimensions")
    if found.neighbours is not None:
        parts.append(f"k = {found.neighbours}")
    if protocol is not None:
        parts.append(f"extractor {protocol['extractor']} {protocol['extractor_sha256'][:12]}")
    return ", ".join(parts)


def _row(name: str, score: Score) -> tuple[str, str, str, str]:
    return name, f"{score.value:.6g}", _interval(score), BETTER[name] if BETTER[name] != "neither" else ""


def _interval(score: Score) -> str:
    if score.standard_error is None:
        return "-"
    half_width = TWO_SIDED_95 * score.standard_error
    return f"{score.value - half_width:.6g} to {score.value + half_width:.6g}"
