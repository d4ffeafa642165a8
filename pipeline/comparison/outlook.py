"""Outlook: whether reports that are about to be made can be ranked with those there are.

In: the chosen steps, width, number of images and extractor, and the newest reports. Out: one sentence, or nothing.
Comparable is defined in `protocol.py`; here only what a person chooses is compared, since the rest is not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pipeline.comparison.protocol import differing, largest_group
from pipeline.reports.store import latest_of_all
from pipeline.storage.paths import Paths

MOST_NAMED = 4  # configurations in the sentence


@dataclass(frozen=True)
class Choice:
    """What a person chooses for a chain, under the names of the report's columns."""

    steps: int
    width: int
    n_generated: int  # images per member
    extractor: str


def incomparable_choice(
    recipe: str, chosen: Sequence[str], choice: Choice, optimizers: Sequence[str], paths: Paths
) -> str:
    """Return a sentence if the chosen configurations' new reports cannot be ranked with those of all others, else "".

    It is empty too if the chosen ones are more than those: then they are the ranking.
    `optimizers` are all configurations of the tables.
    """
    others = [key for key in optimizers if key not in chosen]
    ranked = largest_group([each for each in latest_of_all(paths.reports(), recipe) if each.optimizer in others])
    if not ranked or len(set(chosen)) > len(ranked):
        return ""
    wanted = asdict(choice)
    unequal = differing(ranked[0].facts(wanted), wanted)
    if not unequal:
        return ""
    how = "; ".join(f"{name} {there} there, {here} here" for name, (there, here) in unequal.items())
    return (
        f"{recipe} {', '.join(chosen)}: the new scores will not be comparable with those of "
        f"{_names([each.optimizer for each in ranked])} ({how}); the ranking shows the larger group, "
        "of equal ones the newer. Choose the same to compare them, or set another GANFORGE_DATA for a quick trial"
    )


def _names(keys: Sequence[str]) -> str:
    more = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
