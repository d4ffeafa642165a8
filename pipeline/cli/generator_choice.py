"""Generator choice: whose weights and which members of a recipe a command draws from, said where it chose.

In: a command's arguments as typed. Out: the training artefact, or the champion, which is read like one, and the numbers
of its members. Without `--optimizer` the champion draws, or where there is none yet the best of the newest comparison.
Every mistake is one sentence.
"""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.champion.versions import Champion
    from pipeline.storage.artefact import Artefact
    from pipeline.storage.paths import Paths

ALL = "all"

log = logging.getLogger(__name__)


def add_choice(parser: Any) -> None:
    """What to draw from."""
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe of pipeline/recipes.toml, such as mnist_mlp")
    parser.add_argument(
        "--optimizer",
        metavar="KEY",
        help="a configuration; default: the recipe's champion, or while there is none the best by the newest reports",
    )


def chosen_generator(arguments: argparse.Namespace, paths: Paths) -> Artefact:
    """The networks to draw from: of the configuration asked for, of the champion, or else of `chosen_optimizer`."""
    from pipeline.training.trained import require_training

    champion = asked_champion(arguments, paths)
    if champion is not None:
        return champion.artefact
    return require_training(paths, arguments.recipe, checked_optimizer(arguments, paths))


def chosen_samples(arguments: argparse.Namespace, paths: Paths) -> Artefact:
    """The stored samples of the configuration asked for, of the champion's own weights, or of `chosen_optimizer`."""
    from pipeline.storage.artefact import read_artefact, require_artefact

    champion, recipe = asked_champion(arguments, paths), arguments.recipe
    if champion is None:
        optimizer = checked_optimizer(arguments, paths)
        folder = paths.samples(recipe, optimizer)
        return require_artefact(folder, "samples", f"{recipe}/samples, partition {optimizer},")
    samples = read_artefact(paths.samples(recipe, champion.optimizer))
    if samples is None or samples.details["training"] != champion.training_fingerprint:
        raise ValueError(
            f"{recipe}: the stored samples of {champion.optimizer} were not drawn by {champion}; draw new ones with "
            f"`ganforge sample {recipe}`, or take those there with --optimizer {champion.optimizer}"
        )
    return samples


def asked_champion(arguments: argparse.Namespace, paths: Paths) -> Champion | None:
    """The recipe's champion, said on standard error; None where a configuration is named, or there is none yet."""
    from pipeline.champion.versions import current_champion

    find(load_recipes(), arguments.recipe, "recipe")
    champion = None if arguments.optimizer is not None else current_champion(arguments.recipe, paths)
    if champion is not None:
        log.info("%s: taking %s, since %s", arguments.recipe, champion, champion.pointer.since)
    return champion


def scored_weights(training: Artefact, paths: Paths) -> str:
    """Return the kind of weights that was scored, and log it where the training keeps an average beside the raw ones.

    For the champion it is the kind it was promoted for. For a configuration: the kind in its newest report, else the
    kind of its samples, if these belong to this training, else the default.
    """
    from pipeline.training.kinds_of_weights import AVERAGE, FILE_OF_WEIGHTS, default_weights

    found = default_weights(training)
    if "champion" not in training.details:
        found = _reported_weights(training, paths) or _drawn_weights(training, paths) or found
    if FILE_OF_WEIGHTS[AVERAGE] in training.files:
        log.info("taking the %s weights", found)
    return found


def _reported_weights(training: Artefact, paths: Paths) -> str | None:
    from pipeline.reports.store import latest

    report = latest(paths.reports(), training.details["recipe"], training.details["optimizer"])
    if report is None or report.training_fingerprint != training.fingerprint:
        return None
    return report.weights


def _drawn_weights(training: Artefact, paths: Paths) -> str | None:
    from pipeline.samples.details import SamplesDetails
    from pipeline.storage.artefact import read_artefact

    samples = read_artefact(paths.samples(training.details["recipe"], training.details["optimizer"]))
    if samples is None or samples.details["training"] != training.fingerprint:
        return None
    return samples.details_as(SamplesDetails).weights


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
    return report.training_fingerprint != training.fingerprint


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
    """A member's number, "all" that did not diverge, or None: the champion's best, else the first of these."""
    from pipeline.samples.members import expect_sound, sound_members

    sound = sound_members(training)
    if text is None:
        champion = training.details.get("champion")
        member = sound[0] if champion is None else int(champion["member"])
        if len(sound) > 1:
            best = "" if champion is None else ", the best by FID,"
            log.info("taking member %d%s of %s", member, best, ", ".join(map(str, sound)))
        return [member]
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
