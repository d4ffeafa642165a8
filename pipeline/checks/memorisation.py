"""Memorisation: members whose images are closer to the training images than new real images are.

Two scores of the report (`metrics/memorisation.py`): `authenticity`, the share of images that are no near copies, and
`memorisation_distance`, the mean distance to the nearest training image. Their floor is what held-out real images
score: a generator that has learnt the data, and copied nothing, scores the same, and one that has not learnt it yet
scores higher, because its images are far from every real one. Below the floor there are copies. Found: a score at least
5 % below the floor and three standard errors of the difference. The floor's error is taken as the binomial one of its
share for authenticity, and as the score's own relative error for the distance.

What this cannot see: few copies among images that are otherwise far from real ones, whose mean stays above the floor.
An error: a generator that copies is no generator.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.checks import advice
from pipeline.checks.curves import named
from pipeline.checks.facts import Check, ReportFacts
from pipeline.checks.member_rows import member_rows, members_of
from pipeline.findings import Finding, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "memorisation"
AUTHENTICITY, DISTANCE = "authenticity", "memorisation_distance"
LEAST_DEFICIT = 0.05  # of the floor
LEAST_ERRORS = 3.0  # standard errors


def judge(facts: ReportFacts) -> Finding:
    """Whether images are as new as held-out real ones."""
    if facts.report is None:
        return not_judged(NAME, "error", "no report")
    rows = {name: member_rows(facts.report, name) for name in (AUTHENTICITY, DISTANCE)}
    seen = [_judged(name, row) for name, of_metric in rows.items() for row in of_metric if row["floor"]]
    if not seen:
        return not_judged(NAME, "error", f"the report has neither {AUTHENTICITY} nor {DISTANCE} with a floor")
    evidence = {"limits": {"deficit": LEAST_DEFICIT, "errors": LEAST_ERRORS}, "scores": seen}
    low = [each for each in seen if each["errors"] >= LEAST_ERRORS and each["deficit"] >= LEAST_DEFICIT]
    if not low:
        return passing(NAME, "error", "images are as far from the training images as held-out real ones", evidence)
    members = sorted(set(members_of(low)))
    worst = max(low, key=lambda each: float(each["deficit"]))
    summary = (
        f"images are closer to the training images than held-out real ones in {named(members, _count(seen))}: member "
        f"{worst['member']} has {worst['score']} {worst['value']:.3g}, real images {worst['floor']:.3g}"
    )
    return failing(NAME, "error", summary, evidence, _advice(facts.settings))


def _judged(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """How far a score is below its floor, as a share of it and in standard errors of the difference."""
    value, floor, error = row["value"], row["floor"], row["standard_error"] or 0.0
    count = row["n_floor"] or row["n_generated"]
    if name == AUTHENTICITY:
        error_of_floor = math.sqrt(floor * (1 - floor) / count) if count and 0 < floor < 1 else 0.0
    else:
        error_of_floor = error * floor / value if value else 0.0
    total = math.hypot(error, error_of_floor)
    below = floor - value
    return {
        "score": name,
        "member": row["member"],
        "value": value,
        "floor": floor,
        "deficit": below / floor,
        "errors": below / total if total else (math.copysign(1e9, below) if below else 0.0),  # exact scores
    }


def _count(seen: list[dict[str, Any]]) -> int:
    return len({each["member"] for each in seen})


def _advice(settings: TrainingSettings | None) -> str:
    fewer = "train fewer steps" if settings is None else f"train fewer than {settings.steps:,} steps"
    narrower = None
    if settings is not None and settings.width is not None:
        narrower = f"set width = {max(1, settings.width // 2)} (it is {settings.width})"
    look = "look at the pairs of nearest training images beside the report, then train on more images"
    return advice.either([look, fewer, narrower, advice.noisier_images(settings)])


CHECK = Check(NAME, "report", "error", "Images are no closer to training images than held-out real ones are.", judge)
