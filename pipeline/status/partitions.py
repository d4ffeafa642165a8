"""Partitions: the status of one configuration's networks, samples and report.

In: a recipe, a configuration, the data set's statuses and the data folder. Out: three statuses; that of the networks is
named `<recipe>/generator`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.budgets import full_budget, plain_budget
from pipeline.samples import samples_identity
from pipeline.samples.details import SamplesDetails
from pipeline.settings import OptimizerConfiguration, Recipe, TrainingSettings, resolve
from pipeline.status.reports import report_status
from pipeline.status.state import (
    NO_RECORD,
    AssetFolder,
    Status,
    assess,
    describe_differences,
    identity_changes,
    unless_too_old,
)
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.identity import Identity, differences
from pipeline.storage.paths import Paths
from pipeline.training.checkpoint_names import members_of_run, runs_of, settings_name, steps_in
from pipeline.training.details import TrainingDetails
from pipeline.training.identity import checkpoint_identity_of, former_checkpoint_identity_of, training_identity
from pipeline.training.kinds_of_weights import default_weights

WORDS = {"tensors": "the tensors were made again", "training": "the generator was trained again"}


@dataclass(frozen=True)
class StoredPartition:
    """One configuration of a recipe, with the folders that hold its artefacts."""

    recipe: Recipe
    configuration: OptimizerConfiguration
    paths: Paths
    verify: bool = False

    @property
    def key(self) -> str:
        """The key of the configuration."""
        return self.configuration.key

    @property
    def training(self) -> Path:
        """The folder of its networks."""
        return self.paths.training(self.recipe.key, self.key)

    @property
    def samples(self) -> Path:
        """The folder of its samples."""
        return self.paths.samples(self.recipe.key, self.key)

    def has_begun(self) -> bool:
        """Return whether a run ever tried to make its networks or samples."""
        return self.training.exists() or self.samples.exists()


def partition_statuses(partition: StoredPartition, dataset: Mapping[str, Status], *, scored: bool) -> list[Status]:
    """Return the statuses of generator, samples and report.

    If the data set cannot be `scored`, the report is left out, unless there is one.
    """
    generator = _generator_status(partition, dataset["tensors"])
    samples = _samples_status(partition, generator)
    report = report_status(partition.recipe, partition.key, samples, dataset, partition.paths)
    has_report = scored or report.fingerprint is not None
    return [generator, samples, report] if has_report else [generator, samples]


# ---------------------------------------------------------------------------------------------------------------------
# Networks


def _generator_status(partition: StoredPartition, tensors: Status) -> Status:
    artefact = read_artefact(partition.training)
    stored = AssetFolder(f"{partition.recipe.key}/generator", partition.key, partition.training, artefact, (tensors,))
    settings = None if artefact is None else _read_settings(artefact)
    notes = _describe_interruption(partition) if artefact is None else []
    notes += [] if settings is None else _describe_budget(settings, partition.recipe)
    return assess(
        stored,
        lambda training: _training_changes(training, settings, partition),
        verify=partition.verify,
        notes=notes,
        failure="" if artefact is None else unless_too_old(lambda: _describe_divergence(artefact), ""),
    )


def _training_changes(training: Artefact, settings: TrainingSettings | None, partition: StoredPartition) -> list[str]:
    tensors = read_artefact(partition.paths.tensors(partition.recipe.dataset))
    if settings is None:
        return [NO_RECORD]
    if tensors is None:
        return []
    identity_now = training_identity(_settings_now(settings, partition), tensors)
    if training.identity is not None or training.fingerprint == identity_now.fingerprint:
        return identity_changes(training, identity_now, WORDS)
    decided_by = {"settings": settings.to_json(), "tensors": training.details_as(TrainingDetails).tensors}
    changes = differences(Identity(identity_now.stage, identity_now.code_version, decided_by), identity_now)
    return describe_differences(changes, WORDS) or [NO_RECORD]


def _settings_now(settings: TrainingSettings, partition: StoredPartition) -> TrainingSettings:
    """Return the settings that the tables give now, with the steps, width, members and seed that a person chose."""
    return resolve(
        partition.recipe,
        partition.configuration,
        steps=settings.steps,
        width=settings.width,
        members=settings.members,
        seed=settings.seed,
    )


def _read_settings(training: Artefact) -> TrainingSettings | None:
    """Return the settings of a training; None if the file is damaged, or of a version with other settings.

    The file is not compared with the manifest here: `find_damage` does that for all files.
    """
    try:
        values = json.loads(training.path("settings.json").read_text(encoding="utf-8"))
        return TrainingSettings.from_json(values)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _describe_budget(settings: TrainingSettings, recipe: Recipe) -> list[str]:
    """Return the choices that differ from the recipe's plain budget, such as `600 steps (recipe: 4,500)`."""
    plain, full = plain_budget(recipe), full_budget(recipe)
    notes = []
    if settings.steps != plain.steps:
        expected = "the full budget" if settings.steps == full.steps else f"recipe: {plain.steps:,}"
        notes.append(f"{_count(settings.steps, 'step')} ({expected})")
    if settings.width not in (plain.width, full.width if settings.steps == full.steps else plain.width):
        notes.append(f"width {settings.width} (recipe: {plain.width})")
    if settings.members != recipe.members:
        notes.append(f"{_count(settings.members, 'member')} (recipe: {recipe.members})")
    return [*notes, *([f"seed {settings.seed}"] if settings.seed else [])]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _describe_divergence(training: Artefact) -> str:
    """Return a sentence if all members diverged, so that no network can generate; else an empty string."""
    details = training.details_as(TrainingDetails)
    if len(details.diverged_members) < details.members:
        return ""
    reasons = dict.fromkeys(divergence.reason for divergence in details.divergences)
    members = _count(details.members, "member")
    return f"diverged: all of {members}" + (f" ({'; '.join(reasons)})" if reasons else "")


def _describe_interruption(partition: StoredPartition) -> list[str]:
    """Return a note on the step from which an interrupted training continues, and on another number of members.

    Only checkpoints of today's tables and data are read; a run with others starts anew.
    """
    tensors = read_artefact(partition.paths.tensors(partition.recipe.dataset))
    if tensors is None:
        return []
    identity = training_identity(resolve(partition.recipe, partition.configuration), tensors)
    names = [checkpoint_identity_of(identity), former_checkpoint_identity_of(identity)]
    checkpoints = partition.training / "checkpoints"
    runs = [run for name in names for run in runs_of(checkpoints, settings_name(name.fingerprint))]
    newest = max(((step, run) for run in runs for step in steps_in(run)), default=None)
    if newest is None:
        return []
    step, run = newest
    members = members_of_run(run) or range(partition.recipe.members)
    others = "" if len(members) == partition.recipe.members else f" with --members {members.stop}"
    return [f"continues from step {step:,}{others}"]


# ---------------------------------------------------------------------------------------------------------------------
# Samples


def _samples_status(partition: StoredPartition, generator: Status) -> Status:
    def find_changes(samples: Artefact) -> list[str]:
        training, details = read_artefact(partition.training), samples.details_as(SamplesDetails)
        if training is None:
            return []
        weights = default_weights(training) if details.instead_of is None else details.weights
        # A person may have limited the set to the first members of the training.
        members = details.members_covered if details.training == training.fingerprint else None
        identity_now = samples_identity(training, details.images_per_member, details.seed, weights, members)
        return identity_changes(samples, identity_now, WORDS)

    artefact = read_artefact(partition.samples)
    stored = AssetFolder(f"{partition.recipe.key}/samples", partition.key, partition.samples, artefact, (generator,))
    notes: list[str] = []
    if artefact is not None:
        training = read_artefact(partition.training)
        notes = unless_too_old(lambda: _describe_choices(artefact, training, partition.recipe), [])
    return assess(stored, find_changes, verify=partition.verify, notes=notes)


def _describe_choices(artefact: Artefact, training: Artefact | None, recipe: Recipe) -> list[str]:
    """Return the choices that differ from the recipe, and from all members of the training."""
    samples, notes = artefact.details_as(SamplesDetails), []
    if training is not None and samples.training == training.fingerprint:
        trained = training.details_as(TrainingDetails).members
        notes += [f"{samples.members_covered} of {trained} members"] if samples.members_covered < trained else []
    if samples.images_per_member != recipe.samples:
        notes.append(f"{_count(samples.images_per_member, 'image')} per member (recipe: {recipe.samples:,})")
    if samples.instead_of is not None:
        notes.append(f"{samples.weights} weights (the training keeps their {samples.instead_of})")
    return [*notes, *([f"seed {samples.seed}"] if samples.seed else [])]
