"""Generator choice: which configuration and which members of a recipe a command draws from, said where it chose.

In: a command's arguments as typed. Out: the training artefact and the numbers of its members. Every mistake is one
sentence.
"""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.storage.artefact import Artefact
    from pipeline.storage.paths import Paths

ALL = "all"

log = logging.getLogger(__name__)


def add_choice(parser: Any) -> None:
    """What to draw from."""
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe of pipeline/recipes.toml, such as mnist_mlp")
    parser.add_argument(
        "--optimizer", metavar="KEY", help="a configuration; default: the best of the recipe's newest comparison"
    )


def checked_optimizer(arguments: argparse.Namespace, paths: Paths) -> str:
    """The configuration asked for, or else `chosen_optimizer`, said on standard error; recipe and key both exist."""
    find(load_recipes(), arguments.recipe, "recipe")
    if arguments.optimizer is not None:
        find(load_optimizers(), arguments.optimizer, "optimizer configuration")
        return str(arguments.optimizer)
    chosen = chosen_optimizer(arguments.recipe, paths)
    log.info("%s: taking %s, the best of the newest comparison", arguments.recipe, chosen)
    if _trained_again(arguments.recipe, chosen, paths):
        log.warning("%s %s was trained again after that: these weights have no scores yet", arguments.recipe, chosen)
    return chosen


def _trained_again(recipe: str, optimizer: str, paths: Paths) -> bool:
    """Whether the weights there now are others than the newest report is about."""
    from pipeline.reports.store import latest
    from pipeline.storage.artefact import read_artefact

    report, training = latest(paths.reports(), recipe, optimizer), read_artefact(paths.training(recipe, optimizer))
    if report is None or training is None:
        return False
    return bool(report.fact("training_fingerprint") != training.fingerprint)


def chosen_optimizer(recipe: str, paths: Paths) -> str:
    """The best configuration of a recipe by its newest comparable reports, or one sentence where there are none."""
    from pipeline.comparison.ranking import best_of, compare

    best = best_of(compare(recipe, list(load_optimizers()), paths))
    if best is None:
        raise ValueError(
            f"{recipe}: no configuration has a score yet, so none is the best; name one with --optimizer, or make "
            f"reports with: ganforge materialize {recipe}"
        )
    return best


def chosen_members(training: Artefact, text: str | None) -> list[int]:
    """A member's number, "all" that did not diverge, or None for the first of these."""
    from pipeline.samples.members import expect_sound, sound_members

    sound = sound_members(training)
    if text is None:
        if len(sound) > 1:
            log.info("taking member %d of %s", sound[0], ", ".join(map(str, sound)))
        return sound[:1]
    if text == ALL:
        return sound
    member = member_number(text)
    expect_sound(training, member)
    return [member]


def member_number(text: str) -> int:
    """A member as typed."""
    if not text.isdecimal():
        raise ValueError(f"--member: found {text!r}, expected a whole number such as 0, or {ALL}")
    return int(text)
