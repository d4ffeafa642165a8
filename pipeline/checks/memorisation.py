"""Memorisation: members whose images are closer to the training images than new real images are.

The check reads two scores of the report (`metrics/memorisation.py`): `authenticity`, the share of images that are no
near copies, and `memorisation_distance`, the mean distance to the nearest training image. Their floor is the score of
held-out real images. A generator that has learnt the data and copied nothing scores like them. One that has not learnt
it yet scores higher, because its images are far from every real one. Below the floor there are copies.

It fails if a score is at least 5 % below the floor and three standard errors of the difference. For authenticity the
floor's error is the binomial one of its share; for the distance it is the score's own relative error.

The check misses a few copies among images that are otherwise far from real ones: their mean stays above the floor. An
error: a generator that copies is no generator.
"""

from __future__ import annotations

import math
from typing import TypedDict

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, ReportInputs
from pipeline.checks.member_scores import MemberScore, members_with_scores, name_members
from pipeline.settings import TrainingSettings

AUTHENTICITY, DISTANCE = "authenticity", "memorisation_distance"
LEAST_DEFICIT = 0.05  # of the floor
LEAST_ERRORS = 3.0  # standard errors


class Deficit(TypedDict):
    """How far one score of one member is below its floor."""

    score: str
    member: int
    value: float
    floor: float
    deficit: float  # as a share of the floor
    errors: float  # in standard errors of the difference


def examine(inputs: ReportInputs) -> Outcome:
    """Return a failure if a member's images are closer to training images than held-out real ones are."""
    if inputs.report is None:
        raise NotJudgedError("no report")
    scores = [(name, score) for name in (AUTHENTICITY, DISTANCE) for score in members_with_scores(inputs.report, name)]
    deficits = [_deficit(name, score, score.floor) for name, score in scores if score.floor]
    if not deficits:
        raise NotJudgedError(f"the report has neither {AUTHENTICITY} nor {DISTANCE} with a floor")
    evidence = {"limits": {"deficit": LEAST_DEFICIT, "errors": LEAST_ERRORS}, "scores": deficits}
    low = [deficit for deficit in deficits if deficit["errors"] >= LEAST_ERRORS and deficit["deficit"] >= LEAST_DEFICIT]
    if not low:
        return Outcome("images are as far from the training images as held-out real ones", evidence)
    worst = max(low, key=lambda deficit: deficit["deficit"])
    who = name_members(_members(low), len(_members(deficits)))
    summary = (
        f"images are closer to the training images than held-out real ones in {who}: member "
        f"{worst['member']} has {worst['score']} {worst['value']:.3g}, real images {worst['floor']:.3g}"
    )
    return Outcome(summary, evidence, _advise(inputs.settings))


def _deficit(name: str, score: MemberScore, floor: float) -> Deficit:
    value, error = score.value, score.standard_error or 0.0
    count = score.n_floor or score.n_generated
    if name == AUTHENTICITY:
        error_of_floor = math.sqrt(floor * (1 - floor) / count) if count and 0 < floor < 1 else 0.0
    else:
        error_of_floor = error * floor / value if value else 0.0
    total = math.hypot(error, error_of_floor)
    below = floor - value
    return {
        "score": name,
        "member": score.member,
        "value": value,
        "floor": floor,
        "deficit": below / floor,
        "errors": below / total if total else (math.copysign(1e9, below) if below else 0.0),  # exact scores
    }


def _members(deficits: list[Deficit]) -> list[int]:
    return sorted({deficit["member"] for deficit in deficits})


def _advise(settings: TrainingSettings | None) -> str:
    fewer = "train fewer steps" if settings is None else f"train fewer than {settings.steps:,} steps"
    narrower = None
    if settings is not None and settings.width is not None:
        narrower = f"set width = {max(1, settings.width // 2)} (it is {settings.width})"
    look = "look at the pairs of nearest training images beside the report, then train on more images"
    return advice.either([look, fewer, narrower, advice.noisier_images(settings)])


CHECK = Check(
    "memorisation", "report", "error", "Images are no closer to training images than held-out real ones are.", examine
)
