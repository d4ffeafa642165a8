"""Partitions: the status of one configuration's networks, samples and report.

In: a recipe, a configuration, the data set's statuses and the data folder. Out: three statuses, the networks' under the
name of `<recipe>/generator`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.budgets import full_budget, plain_budget
from pipeline.samples import INSTEAD_OF, samples_identity
from pipeline.settings import OptimizerConfiguration, Recipe, TrainingSettings, resolve
from pipeline.status.reports import report_status
from pipeline.status.state import NO_RECORD, Status, Subject, changed, in_words, judge
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.identity import Identity, differences
from pipeline.storage.paths import Paths
from pipeline.training.identity import checkpoint_identity, training_identity
from pipeline.training.kinds_of_weights import default_weights

STEP = re.compile(r"step_(\d{8})")
NAMED_BY = 16  # characters of the fingerprint that name the folder of checkpoints
WORDS = {"tensors": "the tensors were made again", "training": "the generator was trained again"}


@dataclass(frozen=True)
class Partition:
    """What is looked at."""

    recipe: Recipe
    configuration: OptimizerConfiguration
    paths: Paths
    verify: bool = False

    @property
    def key(self) -> str:
        """Of the configuration."""
        return self.configuration.key

    @property
    def training(self) -> Path:
        """Where its networks are."""
        return self.paths.training(self.recipe.key, self.key)

    @property
    def samples(self) -> Path:
        """Where its samples are."""
        return self.paths.samples(self.recipe.key, self.key)

    def has_begun(self) -> bool:
        """Whether anything of it was ever made or tried."""
        return self.training.exists() or self.samples.exists()


def partition_statuses(partition: Partition, dataset: Mapping[str, Status], *, scored: bool) -> list[Status]:
    """Of generator, samples and report; no report where nothing can be `scored`, unless there is one."""
    generator = _generator(partition, dataset["tensors"])
    samples = _samples(partition, generator)
    report = report_status(partition.recipe, partition.key, samples, dataset, partition.paths)
    shown = scored or report.fingerprint is not None
    return [generator, samples, report] if shown else [generator, samples]


# ---------------------------------------------------------------------------------------------------------------------
# Networks


def _generator(partition: Partition, tensors: Status) -> Status:
    artefact = read_artefact(partition.training)
    subject = Subject(f"{partition.recipe.key}/generator", partition.key, partition.training, artefact, (tensors,))
    made_with = None if artefact is None else _settings(artefact)
    notes = _stopped(partition) if artefact is None else []
    notes += [] if made_with is None else _chosen(made_with, partition.recipe)
    return judge(
        subject,
        lambda there: _training_changes(there, made_with, partition),
        verify=partition.verify,
        notes=notes,
        failure="" if artefact is None else _all_diverged(artefact),
    )


def _training_changes(artefact: Artefact, made_with: TrainingSettings | None, partition: Partition) -> list[str]:
    tensors = read_artefact(partition.paths.tensors(partition.recipe.dataset))
    if made_with is None:
        return [NO_RECORD]
    if tensors is None:
        return []
    wanted = training_identity(_wanted(made_with, partition), tensors)
    if artefact.identity is not None or artefact.fingerprint == wanted.fingerprint:
        return changed(artefact, wanted, WORDS)
    decided_by = {"settings": made_with.to_json(), "tensors": artefact.details["tensors"]}
    found = differences(Identity(wanted.stage, wanted.code_version, decided_by), wanted)
    return in_words(found, WORDS) or [NO_RECORD]


def _wanted(made_with: TrainingSettings, partition: Partition) -> TrainingSettings:
    """What the tables say now, for as long and as wide as a person chose then."""
    return resolve(
        partition.recipe,
        partition.configuration,
        steps=made_with.steps,
        width=made_with.width,
        members=made_with.members,
        seed=made_with.seed,
    )


def _settings(artefact: Artefact) -> TrainingSettings | None:
    """What it was trained with; None where that is damaged, or of a version with other settings.

    The file is not compared with the manifest: `damage` does that for all files, by sha256 where a person asked for it.
    """
    try:
        values = json.loads(artefact.path("settings.json").read_text(encoding="utf-8"))
        return TrainingSettings.from_json(values)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _chosen(settings: TrainingSettings, recipe: Recipe) -> list[str]:
    """What a person chose otherwise than the recipe's plain budget, such as `600 steps (recipe: 4,500)`."""
    plain, full = plain_budget(recipe), full_budget(recipe)
    found = []
    if settings.steps != plain.steps:
        expected = "the full budget" if settings.steps == full.steps else f"recipe: {plain.steps:,}"
        found.append(f"{_counted(settings.steps, 'step')} ({expected})")
    if settings.width not in (plain.width, full.width if settings.steps == full.steps else plain.width):
        found.append(f"width {settings.width} (recipe: {plain.width})")
    if settings.members != recipe.members:
        found.append(f"{_counted(settings.members, 'member')} (recipe: {recipe.members})")
    return [*found, *([f"seed {settings.seed}"] if settings.seed else [])]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _all_diverged(artefact: Artefact) -> str:
    """Why there is no network to draw with; empty where there is."""
    details = artefact.details
    if len(details["diverged_members"]) < details["members"]:
        return ""
    reasons = dict.fromkeys(each["reason"] for each in details.get("divergences", ()))
    whole = _counted(details["members"], "member")
    return f"diverged: all of {whole}" + (f" ({'; '.join(reasons)})" if reasons else "")


def _stopped(partition: Partition) -> list[str]:
    """Where a training that was interrupted goes on: only checkpoints of what the tables and the data are now count."""
    tensors = read_artefact(partition.paths.tensors(partition.recipe.dataset))
    if tensors is None:
        return []
    way = checkpoint_identity(resolve(partition.recipe, partition.configuration), tensors).fingerprint[:NAMED_BY]
    found = [STEP.fullmatch(path.name) for path in (partition.training / "checkpoints" / way).glob("step_*")]
    steps = [int(match[1]) for match in found if match]
    return [f"goes on from step {max(steps):,}"] if steps else []


# ---------------------------------------------------------------------------------------------------------------------
# Samples


def _samples(partition: Partition, generator: Status) -> Status:
    def changes(artefact: Artefact) -> list[str]:
        training, details = read_artefact(partition.training), artefact.details
        if training is None:
            return []
        weights = details["weights"] if INSTEAD_OF in details else default_weights(training)
        wanted = samples_identity(training, details["images_a_member"], details["seed"], weights)
        return changed(artefact, wanted, WORDS)

    artefact = read_artefact(partition.samples)
    subject = Subject(f"{partition.recipe.key}/samples", partition.key, partition.samples, artefact, (generator,))
    notes = [] if artefact is None else _drawn(artefact.details, partition.recipe)
    return judge(subject, changes, verify=partition.verify, notes=notes)


def _drawn(details: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """What a person chose otherwise than the recipe says."""
    found = []
    if details["images_a_member"] != recipe.samples:
        found.append(f"{_counted(details['images_a_member'], 'image')} a member (recipe: {recipe.samples:,})")
    if INSTEAD_OF in details:
        found.append(f"{details['weights']} weights (the training keeps their {details[INSTEAD_OF]})")
    return [*found, *([f"seed {details['seed']}"] if details["seed"] else [])]
