"""Generator choice: which weights and which members of a recipe a command uses; the log names every choice.

In: a recipe, a configuration and a member as typed. Out: the training artefact, or the champion, which is read like
one, and the numbers of its members. Without a configuration the champion is used, or while there is none the best of
the newest comparison. Every mistake is one sentence.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.cli.options import ALL
from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.champion.versions import Champion
    from pipeline.storage.artefact import Artefact
    from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


def choose_generator(recipe: str, optimizer: str | None, paths: Paths) -> Artefact:
    """Return the networks of the configuration, of the champion, or else of `best_optimizer`."""
    from pipeline.training.trained import require_training

    champion = choose_champion(recipe, optimizer, paths)
    if champion is not None:
        return champion.artefact
    return require_training(paths, recipe, choose_optimizer(recipe, optimizer, paths))


def choose_samples(recipe: str, optimizer: str | None, paths: Paths) -> Artefact:
    """Return the stored samples of the configuration, of the champion's own weights, or of `best_optimizer`."""
    from pipeline.samples.details import SamplesDetails
    from pipeline.storage.artefact import read_artefact, require_artefact

    champion = choose_champion(recipe, optimizer, paths)
    if champion is None:
        optimizer = choose_optimizer(recipe, optimizer, paths)
        folder = paths.samples(recipe, optimizer)
        return require_artefact(folder, "samples", f"{recipe}/samples, partition {optimizer},")
    samples = read_artefact(paths.samples(recipe, champion.optimizer))
    if samples is None or samples.details_as(SamplesDetails).training != champion.training_fingerprint:
        raise ValueError(
            f"{recipe}: the stored samples of {champion.optimizer} are not from {champion}; generate new ones with "
            f"`ganforge sample {recipe}`, or take the stored ones with --optimizer {champion.optimizer}"
        )
    return samples


def choose_champion(recipe: str, optimizer: str | None, paths: Paths) -> Champion | None:
    """Return the recipe's champion; None if a configuration is named, or if there is no champion yet."""
    from pipeline.champion.versions import current_champion

    find(load_recipes(), recipe, "recipe")
    champion = None if optimizer is not None else current_champion(recipe, paths)
    if champion is not None:
        log.info("%s: taking %s, since %s", recipe, champion, champion.pointer.since)
    return champion


def scored_weights(training: Artefact, paths: Paths) -> str:
    """Return the kind of weights that was scored, and log it where the training keeps an average beside the raw ones.

    For the champion it is the kind it was promoted for. For a configuration: the kind in its newest report, else the
    kind of its samples, if these belong to this training, else the default.
    """
    from pipeline.training.details import TrainingDetails
    from pipeline.training.kinds_of_weights import AVERAGE, FILE_OF_WEIGHTS, default_weights

    weights = default_weights(training)
    if training.details_as(TrainingDetails).champion is None:
        weights = _reported_weights(training, paths) or _sampled_weights(training, paths) or weights
    if FILE_OF_WEIGHTS[AVERAGE] in training.files:
        log.info("taking the %s weights", weights)
    return weights


def _reported_weights(training: Artefact, paths: Paths) -> str | None:
    from pipeline.reports.store import latest
    from pipeline.training.details import TrainingDetails

    details = training.details_as(TrainingDetails)
    report = latest(paths.reports(), details.recipe, details.optimizer)
    if report is None or report.training_fingerprint != training.fingerprint:
        return None
    return report.weights


def _sampled_weights(training: Artefact, paths: Paths) -> str | None:
    from pipeline.samples.details import SamplesDetails
    from pipeline.storage.artefact import read_artefact
    from pipeline.training.details import TrainingDetails

    details = training.details_as(TrainingDetails)
    samples = read_artefact(paths.samples(details.recipe, details.optimizer))
    if samples is None or samples.details_as(SamplesDetails).training != training.fingerprint:
        return None
    return samples.details_as(SamplesDetails).weights


def choose_optimizer(recipe: str, optimizer: str | None, paths: Paths) -> str:
    """Return the configuration, or else `best_optimizer`; raise if the recipe or the configuration does not exist."""
    find(load_recipes(), recipe, "recipe")
    if optimizer is not None:
        find(load_optimizers(), optimizer, "optimizer configuration")
        return optimizer
    best = best_optimizer(recipe, paths)
    log.info("%s: taking %s, the best of the newest comparison", recipe, best)
    if _was_trained_again(recipe, best, paths):
        log.warning("%s %s was trained again after that: these weights have no scores yet", recipe, best)
    return best


def _was_trained_again(recipe: str, optimizer: str, paths: Paths) -> bool:
    """Return whether the newest report is about earlier weights than the stored ones."""
    from pipeline.reports.store import latest
    from pipeline.storage.artefact import read_artefact

    report, training = latest(paths.reports(), recipe, optimizer), read_artefact(paths.training(recipe, optimizer))
    if report is None or training is None:
        return False
    return report.training_fingerprint != training.fingerprint


def best_optimizer(recipe: str, paths: Paths) -> str:
    """Return a recipe's best configuration by its newest comparable reports; raise `ValueError` if there are none."""
    from pipeline.comparison.ranking import best_of, compare

    best = best_of(compare(recipe, list(load_optimizers()), paths))
    if best is None:
        raise ValueError(
            f"{recipe}: no configuration has a score yet, so none is the best; name one with --optimizer, or make "
            f"reports with: ganforge materialize {recipe}"
        )
    return best


def choose_members(training: Artefact, text: str | None) -> list[int]:
    """Return one member by its number, all that did not diverge, or by default the best of a champion, else the first.

    The default is the first member that did not diverge, except for a champion.
    """
    from pipeline.samples.members import expect_sound, sound_members
    from pipeline.training.details import TrainingDetails

    sound = sound_members(training)
    if text is None:
        champion = training.details_as(TrainingDetails).champion
        member = sound[0] if champion is None else champion.member
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
    """Return the number of a member as typed."""
    if not text.isdecimal():
        raise ValueError(f"--member: found {text!r}, expected a whole number such as 0, or {ALL}")
    return int(text)
