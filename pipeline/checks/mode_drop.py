"""Mode drop: members whose images do not show classes that as many real images show.

The class counts are those of the report's `missing_classes` (`metrics/missing_classes.py`: a class counts as shown from
a tenth of an equal share); as many are allowed to be missing as are among real images of the same number (the floor). A
warning; an error where at least half of the members miss at least half of the classes.
"""

from __future__ import annotations

from typing import Any

from pipeline.checks import advice
from pipeline.checks.curves import named
from pipeline.checks.facts import Check, ReportFacts
from pipeline.checks.member_rows import member_rows, members_of
from pipeline.findings import Finding, Severity, failing, not_judged, passing
from pipeline.settings import TrainingSettings

NAME = "mode_drop"
METRIC = "missing_classes"
LEAST_SHARE_OF_EQUAL = 0.1  # as `metrics/missing_classes.py` counts
SEVERE_SHARE = 0.5  # of the classes missing, and of the members
DIVISOR_OF_RATE = 2


def judge(facts: ReportFacts) -> Finding:
    """Whether every member shows the classes that real images show."""
    if facts.report is None:
        return not_judged(NAME, "error", "no report")
    rows = member_rows(facts.report, METRIC)
    if not rows:
        return not_judged(NAME, "error", f"the report has no {METRIC}, which needs a data set with classes")
    allowed = rows[0]["floor"] or 0.0
    seen = [{"member": row["member"], "missing": row["value"], "classes": _dropped(row)} for row in rows]
    evidence = {"images": rows[0]["n_generated"], "missing_in_real_images": allowed, "members": seen}
    dropping = [row for row in rows if row["value"] > allowed]
    if not dropping:
        summary = f"no member misses more of the classes than real images do ({allowed:g})"
        return passing(NAME, "error", summary, evidence)
    worst = max(seen, key=lambda each: float(each["missing"]))
    summary = (
        f"classes are missing in {named(members_of(dropping), len(rows))}: member {worst['member']} misses "
        f"{worst['missing']:g}{_listed(worst['classes'])}, real images {allowed:g}"
    )
    return failing(NAME, _severity(rows), summary, evidence, _advice(facts.settings))


def _dropped(row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The missing classes by index, with their counts; None where the report does not say."""
    counts = row["by_class"]
    if counts is None:
        return None
    least = LEAST_SHARE_OF_EQUAL * sum(counts) / len(counts)
    return [{"class": index, "images": int(count)} for index, count in enumerate(counts) if count < least]


def _listed(classes: list[dict[str, Any]] | None) -> str:
    if not classes:
        return ""
    told = ", ".join(f"class {each['class']}: {each['images']} images" for each in classes)
    return f" ({told})"


def _severity(rows: list[dict[str, Any]]) -> Severity:
    severe = [row for row in rows if row["by_class"] and row["value"] >= SEVERE_SHARE * len(row["by_class"])]
    return "error" if len(severe) >= SEVERE_SHARE * len(rows) else "warn"


def _advice(settings: TrainingSettings | None) -> str:
    longer = None if settings is None else f"train longer than {settings.steps:,} steps if scores still improve"
    changes = [
        longer,
        advice.slower("generator", settings, DIVISOR_OF_RATE),
        advice.larger_batch(settings),
        advice.penalised(settings),
    ]
    return advice.either(changes)


CHECK = Check(NAME, "report", "error", "Every class that real images show is among the generated images.", judge)
