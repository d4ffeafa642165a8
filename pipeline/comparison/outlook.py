"""Outlook: predict if reports of a run about to start can be ranked with the existing ones.

In: the chosen steps, width, number of images and extractor, and the newest reports. Out: one sentence, or an empty one.
`protocol.py` defines comparable. Only the facts that a person chooses are compared here, since the others are unknown
before the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pipeline.comparison.protocol import differing, largest_group
from pipeline.reports.store import latest_of_all
from pipeline.storage.paths import Paths

MOST_NAMED = 4  # configurations listed in the sentence


@dataclass(frozen=True)
class Choice:
    """The settings that a person chooses for a run, under the names of the report's columns."""

    steps: int
    width: int
    n_generated: int  # images per member
    extractor: str


def incomparable_choice(
    recipe: str, chosen: Sequence[str], choice: Choice, optimizers: Sequence[str], paths: Paths
) -> str:
    """Return a sentence if the chosen configurations' new reports cannot be ranked with those of all others, else "".

    It is empty too if the chosen configurations outnumber the others: then the new reports become the ranking.
    `optimizers` are all configurations of the tables.
    """
    others = [key for key in optimizers if key not in chosen]
    newest = latest_of_all(paths.reports(), recipe)
    ranked = largest_group([report for report in newest if report.optimizer in others])
    if not ranked or len(set(chosen)) > len(ranked):
        return ""
    new = asdict(choice)
    unequal = differing(ranked[0].facts(new), new)
    if not unequal:
        return ""
    differences = "; ".join(f"{name} {there} there, {here} here" for name, (there, here) in unequal.items())
    return (
        f"{recipe} {', '.join(chosen)}: the new scores will not be comparable with those of "
        f"{_names([report.optimizer for report in ranked])} ({differences}); the ranking shows the larger group, "
        "of equal ones the newer. Choose the same to compare them, or set another GANFORGE_DATA for a quick trial"
    )


def _names(keys: Sequence[str]) -> str:
    more = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
