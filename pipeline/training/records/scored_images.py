"""Scored images: a few hundred images per member, kept during training, so that scores can be computed along it.

In: the members between two steps. Out: `evaluations/step_00000500.arrow`, …. Each file holds images (N, C, H, W) uint8
and the `member` (N,) int64 that generated them, in the members' order. A member uses the same latents at every step and
under every configuration. It uses the weights that sample sets use (`NetworkPair.generate_scored`): the running average
if the configuration keeps one, else the raw weights. Batch statistics are those of evaluation. A member that diverged
has no images from then on, and there is no file if all diverged.

The number of files is bounded: of n snapshot intervals those at multiples of `stride(n)` are kept, and the budget's
last step. A longer run keeps a subset of the steps that a shorter run keeps. At every step we store whatever a run
ending there would keep, so training can be extended or shortened from any checkpoint.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.networks import Network
from pipeline.storage.artefact import Artefact
from pipeline.storage.atomic import UNFINISHED, atomic_file
from pipeline.storage.images import Pixels, write_images_from_file
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import Purpose, stacked_latents
from pipeline.training.engine.stack import Stack
from pipeline.training.records.snapshots import as_pixels

FOLDER = "evaluations"
EVALUATION_IMAGES = 500  # per member and kept step
BATCH_IMAGES = 50  # per member at once: fewer than a training step holds, so they need no more memory
MOST_INTERVALS = 8  # up to here every interval is kept; with more, every second, fourth, …
NAME = re.compile(r"step_(\d{8})\.arrow")


# ---------------------------------------------------------------------------------------------------------------------
# Which steps


def stride(intervals: int) -> int:
    """Return how many snapshot intervals apart the kept steps are, so that at most 8 remain.

    It is a power of 2: 1 for up to 8 intervals, 2 for up to 16, and so on.
    """
    interval_count = 1
    while intervals > MOST_INTERVALS * interval_count:
        interval_count *= 2
    return interval_count


def is_kept(step: int, interval_steps: int, budget_steps: int) -> bool:
    """Return whether a run of `budget_steps` keeps this step's images, ignoring the extra rule for its last step."""
    interval, rest = divmod(step, interval_steps)
    return rest == 0 and 0 < step <= budget_steps and interval % stride(budget_steps // interval_steps) == 0


# ---------------------------------------------------------------------------------------------------------------------
# Generating


def scored_latents(members: Sequence[Member], network: Network) -> torch.Tensor:
    """Return the latents (M, EVALUATION_IMAGES, Z) of the members' images, on the host."""
    streams = [member.address.stream(Purpose.SCORED_IMAGES) for member in members]
    return stacked_latents(network, (EVALUATION_IMAGES, network.latent_size), streams)


def generate_evaluations(ensemble: Ensemble) -> Iterator[Pixels | None]:
    """Yield each member's images (EVALUATION_IMAGES, C, H, W) now, or None if they are not finite."""
    # One stack at a time, when its first member is reached: images of all stacks together would take its memory
    # many times. Copies, since a view of one member's images would keep the whole stack's in memory.
    for stack in ensemble.stacks:
        for pixels in _generate_stack(stack, ensemble.network):
            yield None if pixels is None else pixels.copy()


def _generate_stack(stack: Stack, network: Network) -> list[Pixels | None]:
    members = len(stack.members)
    finite = torch.ones(members, dtype=torch.bool, device=stack.device)
    pixels = np.empty((members, EVALUATION_IMAGES, *network.image_shape), np.uint8)
    latents = scored_latents(stack.members, network)
    with stack.networks.eval_mode():
        for start in range(0, EVALUATION_IMAGES, BATCH_IMAGES):
            batch = slice(start, start + BATCH_IMAGES)
            images = stack.networks.generate_scored(latents[:, batch].to(stack.device))
            finite &= torch.isfinite(images).flatten(1).all(dim=1)
            pixels[:, batch] = as_pixels(images, network.value_range)
    return [images if sound else None for images, sound in zip(pixels, finite.tolist(), strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Files


def evaluation_name(step: int) -> str:
    """Return the name of a step's file."""
    return f"step_{step:08d}.arrow"


def files_by_step(folder: Path) -> dict[int, Path]:
    """Return the files in a folder by step, the earliest first. Other files, such as unfinished ones, are skipped."""
    return _by_step(folder.glob("step_*.arrow"))


def _by_step(paths: Iterable[Path]) -> dict[int, Path]:
    named = [(NAME.fullmatch(path.name), path) for path in paths]
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def evaluation_files(training: Artefact) -> dict[int, Path]:
    """Return a training artefact's files by step, the earliest first; an artefact of an older version has none.

    Each file is verified against the manifest.
    """
    named = [name for name in training.files if name.startswith(f"{FOLDER}/")]
    return _by_step(map(training.verified_path, named))


def write_evaluation(folder: Path, step: int, drawn: Iterable[tuple[int, Pixels]]) -> None:
    """Write the images of members, each with its index. The file appears at once; without members there is none.

    Images go to a temporary file of pixels as they are generated, so that memory holds one stack's at most.
    """
    path = folder / evaluation_name(step)
    raw = path.with_name(f".{path.name}.pixels{UNFINISHED}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        shapes = _write_pixels(raw, drawn)
        if not shapes:
            path.unlink(missing_ok=True)
            return
        members = np.repeat(np.array(list(shapes), np.int64), [count for count, *_ in shapes.values()])
        shape = (len(members), *next(iter(shapes.values()))[1:])
        with atomic_file(path) as temporary:  # flushed to the disk: a checkpoint written later relies on this file
            write_images_from_file(temporary, raw, shape, {"member": members}, {"step": str(step)})
    finally:
        raw.unlink(missing_ok=True)


def _write_pixels(path: Path, drawn: Iterable[tuple[int, Pixels]]) -> dict[int, tuple[int, ...]]:
    """Write all pixels to one file. Return the shape (N, C, H, W) of each member's images."""
    shapes = {}
    with path.open("wb") as file:
        for member, pixels in drawn:
            file.write(pixels.data)
            shapes[member] = pixels.shape
    return shapes


def copy_evaluations(folder: Path, into: Path, interval_steps: int, budget_steps: int, *, last: int) -> None:
    """Copy the files of the steps that a budget keeps, including its last step, but none after the step `last`."""
    for step, path in files_by_step(folder).items():
        if step <= last and (step == budget_steps or is_kept(step, interval_steps, budget_steps)):
            into.mkdir(exist_ok=True)
            shutil.copyfile(path, into / path.name)


def thin_out(folder: Path, interval_steps: int, budgets: Iterable[int]) -> None:
    """Remove the files that neither one of these budgets nor any longer one keeps."""
    all_budgets = list(budgets)
    for step, path in files_by_step(folder).items():
        if not any(is_kept(step, interval_steps, budget) for budget in all_budgets):
            path.unlink()
