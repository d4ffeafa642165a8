"""Evaluations: a few hundred images of each member, kept on the way, so that scores can be taken along training.

In: the members between two steps. Out: `evaluations/step_00000500.arrow`, …, in each the images (N, C, H, W) uint8 and
the `member` (N,) int64 that drew them, in the members' order. A member draws the same latents at every step and under
every configuration, with the weights that samples use (`NetworkPair.generate_scored`): the running average
where the configuration keeps one, else those that train. Batch statistics are those of evaluation. Members that
diverged are left out from then on, and there is no file where all have.

The files stay few whatever the budget: of n intervals between snapshots those at multiples of `stride(n)` are kept,
and the budget's last step. What a longer budget keeps of the steps before is a part of what a shorter one keeps.
Drawn is whatever a budget that ended right there would keep, so that a longer or a shorter one goes on from anywhere.
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
EVALUATION_IMAGES = 500  # a member, at every kept step
BATCH_IMAGES = 50  # a member, drawn at once: fewer than a training step holds
MOST_INTERVALS = 8  # that are all kept; of more every second, fourth, … is
NAME = re.compile(r"step_(\d{8})\.arrow")


# ---------------------------------------------------------------------------------------------------------------------
# Which steps


def stride(intervals: int) -> int:
    """Of a budget of so many intervals, every how many are kept: a power of 2, 1 up to 8 intervals, 2 up to 16, …"""
    found = 1
    while intervals > MOST_INTERVALS * found:
        found *= 2
    return found


def is_kept(step: int, interval_steps: int, budget_steps: int) -> bool:
    """Whether a budget keeps the images of this step because of its place alone, be it the last one or not."""
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
    """The file of a step."""
    return f"step_{step:08d}.arrow"


def files_by_step(folder: Path) -> dict[int, Path]:
    """The files in a folder by their step, the earliest first; others, such as unfinished ones, are passed over."""
    return _by_step(folder.glob("step_*.arrow"))


def _by_step(paths: Iterable[Path]) -> dict[int, Path]:
    named = [(NAME.fullmatch(path.name), path) for path in paths]
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def evaluation_files(training: Artefact) -> dict[int, Path]:
    """Those of a training artefact by their step, the earliest first; none in one of an older version.

    Each is compared with the manifest.
    """
    named = [name for name in training.files if name.startswith(f"{FOLDER}/")]
    return _by_step(map(training.verified_path, named))


def write_evaluation(folder: Path, step: int, drawn: Iterable[tuple[int, Pixels]]) -> None:
    """Write what members drew, each with its index; the file appears whole. No member, no file.

    Nothing of it is kept in memory: what is drawn as it is asked for goes to a file of pixels first.
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
        whole = (len(members), *next(iter(shapes.values()))[1:])
        with atomic_file(path) as temporary:  # on the disk: a checkpoint after it promises that it is there
            write_images_from_file(temporary, raw, whole, {"member": members}, {"step": str(step)})
    finally:
        raw.unlink(missing_ok=True)


def _write_pixels(path: Path, drawn: Iterable[tuple[int, Pixels]]) -> dict[int, tuple[int, ...]]:
    """Pixels one after another → the shape (N, C, H, W) of each member's."""
    shapes = {}
    with path.open("wb") as file:
        for member, pixels in drawn:
            file.write(pixels.data)
            shapes[member] = pixels.shape
    return shapes


def copy_evaluations(folder: Path, into: Path, interval_steps: int, budget_steps: int, *, last: int) -> None:
    """Copy the files of the steps that a budget keeps, its own last one among them, none after the step `last`."""
    for step, path in files_by_step(folder).items():
        if step <= last and (step == budget_steps or is_kept(step, interval_steps, budget_steps)):
            into.mkdir(exist_ok=True)
            shutil.copyfile(path, into / path.name)


def thin_out(folder: Path, interval_steps: int, budgets: Iterable[int]) -> None:
    """Remove the files that none of these budgets keeps because of their place, nor any longer one."""
    kept = list(budgets)
    for step, path in files_by_step(folder).items():
        if not any(is_kept(step, interval_steps, budget) for budget in kept):
            path.unlink()
