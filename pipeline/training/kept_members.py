"""Kept members: the members of a stored training that a training with more members takes over.

In: the artefact in a partition's folder, and the files and checkpoints of the members that were trained since.
Out: files and a checkpoint that hold both, the kept members first. Every kept value is copied, none is computed again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.storage.artefact import Artefact, find_intact, read_artefact
from pipeline.storage.identity import Identity
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.weights import save_weights
from pipeline.training.checkpoint import Checkpoint, Checkpoints
from pipeline.training.details import TrainingDetails
from pipeline.training.identity import share_members
from pipeline.training.records.history import HistoryRow, read_history_rows, write_history
from pipeline.training.records.scored_images import FOLDER as EVALUATIONS
from pipeline.training.records.scored_images import evaluation_files, files_by_step, write_evaluation
from pipeline.training.records.snapshots import (
    Pictures,
    read_snapshot,
    snapshot_name,
    snapshot_step,
    snapshots_in,
    write_snapshot,
)


def find_members(folder: Path, identity: Identity) -> Artefact | None:
    """Return the intact training in a folder, marked `cached`, if it shares its first members with `identity`.

    It may have fewer members or more.
    """
    artefact = read_artefact(folder)
    if artefact is None or not (
        artefact.fingerprint == identity.fingerprint or share_members(artefact.identity, identity)
    ):
        return None
    return find_intact(folder, artefact.fingerprint)


def planned_fingerprint(folder: Path, identity: Identity, members: int) -> str:
    """Return the fingerprint that the training in a folder has after at least so many members were requested."""
    stored = read_artefact(folder)
    if stored is not None and share_members(stored.identity, identity) and count_members(stored) >= members:
        return stored.fingerprint
    return identity.fingerprint


def count_members(training: Artefact) -> int:
    """Return the number of members of a training, diverged ones included."""
    return training.details_as(TrainingDetails).members


# ---------------------------------------------------------------------------------------------------------------------
# Files


def put_before(kept: Artefact, staged: Path) -> None:
    """Put the members of the artefact `kept` before those in the files of a staging folder."""
    for path in staged.glob("*.safetensors"):
        first, second = load_file(kept.verified_path(path.name)), load_file(path)
        save_weights(path, {name: torch.cat([first[name], values]) for name, values in second.items()})
    history = staged / "history.parquet"
    rows = joined_history(read_history_rows(kept.verified_path(history.name)), read_history_rows(history))
    write_history(history, rows)
    _join_snapshots(kept, staged / "snapshots")
    _join_evaluations(kept, staged / EVALUATIONS)


def joined_history(kept: Sequence[HistoryRow], added: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Return the rows of both in the order in which training all members together would have recorded them."""
    return sorted([*kept, *added], key=lambda row: (row.step, row.member))


def _join_snapshots(kept: Artefact, folder: Path) -> None:
    names = [name for name in kept.files if name.startswith("snapshots/")]
    kept_paths = {snapshot_step(kept.path(name)): kept.verified_path(name) for name in names}
    added_paths, shape = snapshots_in(folder), kept.details_as(TrainingDetails).image_shape
    pictures = {
        step: [*_pictures_at(step, kept_paths, shape), *_pictures_at(step, added_paths, shape)]
        for step in sorted(kept_paths.keys() | added_paths.keys())
    }
    for step, members in pictures.items():
        write_snapshot(folder / snapshot_name(step), members)


def _pictures_at(step: int, paths: Mapping[int, Path], shape: tuple[int, int, int]) -> Sequence[Pictures]:
    """Return each member's pictures at a step.

    A run in which all members diverged has no snapshots from then on, except a last one. It shows their last sound
    weights, so it stands for those that are missing.
    """
    return read_snapshot(paths[step] if step in paths else paths[max(paths)], shape)


def _join_evaluations(kept: Artefact, folder: Path) -> None:
    kept_paths, added_paths = evaluation_files(kept), files_by_step(folder)
    for step in sorted(kept_paths.keys() | added_paths.keys()):
        paths = [by_step[step] for by_step in (kept_paths, added_paths) if step in by_step]
        # A list: the images must be read before the file is replaced.
        write_evaluation(folder, step, list(chain.from_iterable(map(_images_of_members, paths))))


def _images_of_members(path: Path) -> Iterator[tuple[int, Pixels]]:
    images = read_images(path)
    members = images.columns["member"]
    for member in dict.fromkeys(members.tolist()):
        yield member, images.pixels[members == member].copy()


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


def join_checkpoints(kept: Artefact, added: Checkpoints, staged: Path) -> None:
    """Write one checkpoint of the kept and the added members, so that a longer training continues with all of them.

    Without a checkpoint of the kept members' last step there is none, and a longer training starts from step 0.
    `staged` holds the joined snapshots and images.
    """
    step = kept.details_as(TrainingDetails).steps
    all_members, kept_members = added.of_members(range(added.members.stop)), range(count_members(kept))
    checkpoints = [of_some.load_if_there(step) for of_some in (added.of_members(kept_members), added)]
    if step in all_members.steps(step) or None in checkpoints:
        return
    for name in ("snapshots", EVALUATIONS):
        if (staged / name).exists():
            shutil.copytree(staged / name, all_members.folder / name, dirs_exist_ok=True)
    first, second = (checkpoint for checkpoint in checkpoints if checkpoint is not None)
    all_members.save(_joined_checkpoint(first, second))


def _joined_checkpoint(first: Checkpoint, second: Checkpoint) -> Checkpoint:
    return Checkpoint(
        first.step,
        first.seconds + second.seconds,
        _joined_tensors(first.tensors, second.tensors),
        joined_history(first.history, second.history),
        [*first.frozen, *second.frozen],
    )


def _joined_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of both.

    The names of members that train count up, those of frozen members hold the member's number, and the other tensors
    have the member dimension first.
    """
    training = len({name.split(".")[1] for name in first if name.startswith("training.")})
    joined = dict(first)
    for name, values in second.items():
        kind, number, *rest = name.split(".")
        if kind == "training":
            joined[".".join([kind, str(int(number) + training), *rest])] = values
        else:
            joined[name] = torch.cat([first[name], values]) if name in first else values
    return joined
