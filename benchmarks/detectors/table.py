"""Table: how many sick curves each check finds, and how many healthy ones it flags.

Precision is the share of sick ones among the curves that a check flags: it depends on how many of either are in the
zoo. Recall is the share of sick curves that it flags. Intervals are Wilson's, 95 % (Wilson 1927, J. Am. Stat. Assoc.
22). Curves that are sick in another way are not counted: they are not healthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.detectors.kinds import CURVES_A_KIND, Kind
from benchmarks.detectors.reports import REPORTS
from benchmarks.detectors.scores import SCORES
from benchmarks.detectors.trainings import TRAININGS
from pipeline.checks.catalogue import CATALOGUE

KINDS: tuple[Kind, ...] = (*TRAININGS, *SCORES, *REPORTS)
NORMAL_95 = 1.959963984540054


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
    """The 95 % interval of a share; 0 to 1 without any trial."""
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, NORMAL_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def summary_rows(flagged: list[Flagged]) -> list[list[str]]:
    """A row a check, after the heading."""
    heading = ["check", "sick", "found", "healthy", "flagged", "precision", "recall"]
    by_check = {name: [each for each in flagged if each.check == name] for name in CATALOGUE}
    return [heading, *(_summary(of_check) for of_check in by_check.values() if of_check)]


def kind_rows(flagged: list[Flagged]) -> list[list[str]]:
    """A row a kind of curves, after the heading."""
    rows = [["curves", "sick for", "flagged by", "what they are"]]
    for kind in dict.fromkeys(each.kind for each in flagged):
        by = ", ".join(_counted(each) for each in flagged if each.kind == kind)
        rows.append([kind.name, kind.sick_for or "nothing", by, kind.description])
    return rows


def markdown(rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def _summary(of_check: list[Flagged]) -> list[str]:
    sick = [each for each in of_check if each.kind.sick_for]
    healthy = [each for each in of_check if not each.kind.sick_for]
    found, false = sum(each.flagged for each in sick), sum(each.flagged for each in healthy)
    all_sick, all_healthy = sum(each.curves for each in sick), sum(each.curves for each in healthy)
    counts = [str(count) for count in (all_sick, found, all_healthy, false)]
    return [of_check[0].check, *counts, _share(found, found + false), _share(found, all_sick)]


def _share(successes: int, trials: int) -> str:
    low, high = wilson(successes, trials)
    return f"{successes / trials:.2f} ({low:.2f} to {high:.2f})" if trials else "none flagged"


def _counted(each: Flagged) -> str:
    unjudged = f" ({each.not_judged} not judged)" if each.not_judged else ""
    return f"{each.check} {each.flagged} of {each.curves}{unjudged}"
