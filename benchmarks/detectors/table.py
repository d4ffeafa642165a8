"""Table: how many sick curves each check finds, and how many healthy ones it flags.

Precision is the share of sick ones among the curves that a check flags: it depends on the numbers of sick and
healthy curves. Recall is the share of sick curves that it flags. Intervals are Wilson's, 95 % (Wilson 1927, J. Am.
Stat. Assoc. 22). Curves that are sick in another way are not counted: they are not healthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.detectors.kinds import CURVES_A_KIND, Kind
from benchmarks.detectors.reports import REPORTS
from benchmarks.detectors.scores import SCORES
from benchmarks.detectors.trainings import TRAININGS
from pipeline.checks.catalogue import CATALOGUE
from pipeline.metrics.score import NORMAL_95

KINDS: tuple[Kind, ...] = (*TRAININGS, *SCORES, *REPORTS)


@dataclass(frozen=True)
class Flagged:
    """Numbers of curves of one kind that one check flagged and could not judge."""

    check: str
    kind: Kind
    flagged: int
    curves: int
    not_judged: int  # of those that are not flagged


def count_flagged(count: int = CURVES_A_KIND) -> list[Flagged]:
    """Run every check on the kinds of curves that it is measured on."""
    counts = []
    for kind in KINDS:
        curves = list(kind.curves(count))
        for name in kind.judged_by:
            findings = [CATALOGUE[name](facts) for facts in curves]
            flagged = sum(not finding.passed for finding in findings)
            not_judged = sum(not finding.evidence["judged"] for finding in findings)
            counts.append(Flagged(name, kind, flagged, len(curves), not_judged))
    return counts


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; 0 to 1 without any trial."""
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, NORMAL_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def summary_rows(flagged: list[Flagged]) -> list[list[str]]:
    """Return the heading and one row per check."""
    heading = ["check", "sick", "found", "healthy", "flagged", "precision", "recall"]
    by_check = {name: [count for count in flagged if count.check == name] for name in CATALOGUE}
    return [heading, *(_summary(rows) for rows in by_check.values() if rows)]


def kind_rows(flagged: list[Flagged]) -> list[list[str]]:
    """Return the heading and one row per kind of curves."""
    rows = [["curves", "sick for", "flagged by", "description"]]
    for kind in dict.fromkeys(count.kind for count in flagged):
        by = ", ".join(_describe_counts(count) for count in flagged if count.kind == kind)
        rows.append([kind.name, kind.sick_for or "healthy", by, kind.description])
    return rows


def markdown(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def _summary(rows: list[Flagged]) -> list[str]:
    sick = [row for row in rows if row.kind.sick_for]
    healthy = [row for row in rows if not row.kind.sick_for]
    right, false = sum(row.flagged for row in sick), sum(row.flagged for row in healthy)
    all_sick, all_healthy = sum(row.curves for row in sick), sum(row.curves for row in healthy)
    counts = [str(count) for count in (all_sick, right, all_healthy, false)]
    return [rows[0].check, *counts, _share(right, right + false), _share(right, all_sick)]


def _share(successes: int, trials: int) -> str:
    low, high = wilson(successes, trials)
    return f"{successes / trials:.2f} ({low:.2f} to {high:.2f})" if trials else "none flagged"


def _describe_counts(row: Flagged) -> str:
    unjudged = f" ({row.not_judged} not judged)" if row.not_judged else ""
    return f"{row.check} {row.flagged} of {row.curves}{unjudged}"
