"""Publication: a partition's files after its last step, written as its artefact.

In: a partition that has trained, its networks, and the facts of the run. Out: the training artefact. If an earlier
training already has some of the members, they stand first in every file (`kept_members.py`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pipeline.networks.stacked import Stacked
from pipeline.storage.artefact import Artefact, staging_folder, write_json
from pipeline.storage.details import to_json
from pipeline.storage.weights import save_weights
from pipeline.tensors.details import TensorsDetails
from pipeline.training.checkpoint import tensors_under
from pipeline.training.details import DivergedMember, RunDetails, TrainingDetails
from pipeline.training.earlier import replace_training
from pipeline.training.kept_members import join_checkpoints, put_before
from pipeline.training.kinds_of_weights import weights_of_snapshots
from pipeline.training.partition import Partition
from pipeline.training.records.history import HistoryRow, read_history_rows, write_history
from pipeline.training.records.scored_images import FOLDER as EVALUATIONS
from pipeline.training.records.scored_images import copy_evaluations
from pipeline.training.records.snapshots import snapshots_in, write_movie
from pipeline.training.records.tensorboard_events import EventFiles, can_write_events


def publish(
    partition: Partition,
    generator: Stacked,
    networks: Sequence[Mapping[str, Tensor]],
    last_rows: list[HistoryRow],
    run: RunDetails,
) -> Artefact:
    """Write and publish the artefact.

    `networks` are those of the members that still train, in order, each (1, …). `generator` names the parts of an
    average, which is stored as one vector.
    """
    if partition.events is not None:
        partition.events.close()
    kept, checkpoints, details = partition.kept, partition.checkpoints, _details(partition, run)
    with staging_folder(partition.folder) as staged:
        _write_weights(partition, generator, networks, staged)
        write_json(staged / "settings.json", partition.settings.to_json())
        write_history(staged / "history.parquet", [*partition.history, *last_rows])
        _copy_pictures(partition, staged)
        _copy_evaluations(partition, staged)
        if kept is not None:
            put_before(kept, staged)
            join_checkpoints(kept, checkpoints, staged)
        write_movie(staged / "movie.gif", list(snapshots_in(staged / "snapshots").values()))
        _write_events(staged, details.seconds)
        artefact = replace_training(
            staged,
            partition.folder,
            partition.identity,
            to_json(details),
            earlier_trainings=partition.earlier_trainings,
        )
    shutil.rmtree(checkpoints.folder / "events", ignore_errors=True)
    if kept is not None:
        checkpoints.remove()
    checkpoints.tidy()
    return artefact


def _write_weights(
    partition: Partition, generator: Stacked, networks: Sequence[Mapping[str, Tensor]], staged: Path
) -> None:
    members = _with_frozen(partition, networks)
    save_weights(staged / "discriminator.safetensors", _stacked("discriminator.", members))
    generator_weights = _stacked("generator.", members)
    save_weights(staged / "generator.safetensors", generator_weights)
    if "generator_average" in members[0]:
        average = torch.cat([member["generator_average"].cpu() for member in members])
        save_weights(staged / "generator_average.safetensors", {**generator_weights, **generator.named_parts(average)})


def _with_frozen(partition: Partition, networks: Sequence[Mapping[str, Tensor]]) -> list[Mapping[str, Tensor]]:
    training = iter(networks)
    return [
        partition.frozen[index].networks if index in partition.frozen else next(training) for index in partition.members
    ]


def _stacked(prefix: str, members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the members' tensors, each (1, …), whose names begin with `prefix`. Return (M, …) on the host by name."""
    networks = [tensors_under(prefix, member) for member in members]
    return {name: torch.cat([network[name].cpu() for network in networks]) for name in networks[0]}


def _copy_pictures(partition: Partition, staged: Path) -> None:
    """Copy the snapshots of this budget, without those where a shorter budget ended."""
    last, interval = partition.settings.steps, partition.settings.snapshot_interval_steps
    (staged / "snapshots").mkdir()
    for step, path in snapshots_in(partition.checkpoints.folder / "snapshots").items():
        if step <= last and (step % interval == 0 or step == last):
            shutil.copyfile(path, staged / "snapshots" / path.name)


def _copy_evaluations(partition: Partition, staged: Path) -> None:
    """Copy the images to score.

    If every member diverged, drop images that an interrupted run drew after that step.
    """
    settings, last = partition.settings, partition.settings.steps
    if not partition.training_members():
        last = max(frozen.step for frozen in partition.frozen.values()) - 1
    copy_evaluations(
        partition.evaluations, staged / EVALUATIONS, settings.snapshot_interval_steps, settings.steps, last=last
    )


def _write_events(staged: Path, seconds: float) -> None:
    if can_write_events():
        events = EventFiles(staged / "events", from_step=0, started_at=time.time() - seconds)
        events.add(read_history_rows(staged / "history.parquet"))
        events.close()


def _details(partition: Partition, run: RunDetails) -> TrainingDetails:
    settings, images = partition.settings, partition.tensors.details_as(TensorsDetails)
    divergences = _divergences(partition)
    return TrainingDetails(
        recipe=settings.recipe,
        optimizer=settings.optimizer,
        network=settings.network,
        width=partition.network.width,
        image_shape=images.image_shape,
        tensors=partition.tensors.fingerprint,
        steps=settings.steps,
        members=settings.members,
        diverged_members=tuple(divergence.member for divergence in divergences),
        divergences=divergences,
        seed=settings.seed,
        source=images.source,
        weights_along_training=weights_of_snapshots(settings.ema_decay),
        device=run.device,
        seconds=round(_kept_seconds(partition) + run.seconds, 1),
        images_per_second=run.images_per_second,
        resumed_at_step=run.resumed_at_step,
        trained_together=run.trained_together,
        processes=run.processes,
        system=run.system,
    )


def _divergences(partition: Partition) -> tuple[DivergedMember, ...]:
    """Return the facts of all members that diverged, kept ones first."""
    before = () if partition.kept is None else partition.kept.details_as(TrainingDetails).divergences
    return (*before, *(partition.frozen[index].details() for index in sorted(partition.frozen)))


def _kept_seconds(partition: Partition) -> float:
    """Return the seconds in which the kept members were trained."""
    return 0.0 if partition.kept is None else partition.kept.details_as(TrainingDetails).seconds
