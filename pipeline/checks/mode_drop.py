"""Mode drop: members whose images lack classes that as many real images show.

The class counts are those of the report's `missing_classes` (`metrics/missing_classes.py`): a class is missing below a
tenth of an equal share. A member may miss as many classes as the same number of real images does (the floor). A
warning; an error if at least half of the members miss at least half of the classes.
"""

from __future__ import annotations

from typing import TypedDict

from pipeline.checks import advice
from pipeline.checks.inputs import Check, NotJudgedError, Outcome, ReportInputs
from pipeline.checks.member_scores import MemberScore, members_with_scores, name_members
from pipeline.findings import Severity
from pipeline.settings import TrainingSettings

METRIC = "missing_classes"
LEAST_SHARE_OF_EQUAL = 0.1  # the limit of `metrics/missing_classes.py`
SEVERE_SHARE = 0.5  # of the classes missing, and of the members
DIVISOR_OF_RATE = 2

ClassCount = TypedDict("ClassCount", {"class": int, "images": int})


class MissingClasses(TypedDict):
    """The missing classes of one member."""

    member: int
    missing: float
    classes: list[ClassCount] | None  # None in reports without counts per class


def examine(inputs: ReportInputs) -> Outcome:
    """Return a failure if a member misses more classes than real images do."""
    if inputs.report is None:
        raise NotJudgedError("no report")
    scores = members_with_scores(inputs.report, METRIC)
    if not scores:
        raise NotJudgedError(f"the report has no {METRIC}, which needs a data set with classes")
    allowed = scores[0].floor or 0.0
    members: list[MissingClasses] = [
        {"member": score.member, "missing": score.value, "classes": _missing_classes(score)} for score in scores
    ]
    evidence = {"images": scores[0].n_generated, "missing_in_real_images": allowed, "members": members}
    dropping = [score.member for score in scores if score.value > allowed]
    if not dropping:
        return Outcome(f"no member misses more of the classes than real images do ({allowed:g})", evidence)
    worst = max(members, key=lambda member: member["missing"])
    summary = (
        f"classes are missing in {name_members(dropping, len(scores))}: member {worst['member']} misses "
        f"{worst['missing']:g}{_listed(worst['classes'])}, real images {allowed:g}"
    )
    return Outcome(summary, evidence, _advise(inputs.settings), _severity(scores))


def _missing_classes(score: MemberScore) -> list[ClassCount] | None:
    counts = score.by_class
    if counts is None:
        return None
    least = LEAST_SHARE_OF_EQUAL * sum(counts) / len(counts)
    return [{"class": index, "images": int(count)} for index, count in enumerate(counts) if count < least]


def _listed(classes: list[ClassCount] | None) -> str:
    if not classes:
        return ""
    counts = ", ".join(f"class {missing['class']}: {missing['images']} images" for missing in classes)
    return f" ({counts})"


def _severity(scores: list[MemberScore]) -> Severity:
    severe = [score for score in scores if score.by_class and score.value >= SEVERE_SHARE * len(score.by_class)]
    return "error" if len(severe) >= SEVERE_SHARE * len(scores) else "warn"


def _advise(settings: TrainingSettings | None) -> str:
    longer = None if settings is None else f"train longer than {settings.steps:,} steps if scores still improve"
    changes = [
        longer,
        advice.slower("generator", settings, DIVISOR_OF_RATE),
        advice.larger_batch(settings),
        advice.penalised(settings),
    ]
    return advice.either(changes)


CHECK = Check(
    "mode_drop", "report", "error", "Every class that real images show is among the generated images.", examine
)
