"""Snapshots: the same few latents drawn by the generator again and again, from step 0 on, and their movie.

They are drawn as samples are: with the running average of the weights where the configuration keeps one.
Out: one PNG a snapshot, a row a member, and `movie.gif`. A diverged member's tiles show where it was frozen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline.networks.latents import random_latents
from pipeline.pixels import ValueRange, to_pixels
from pipeline.storage.atomic import atomic_file
from pipeline.storage.pictures import write_grid
from pipeline.training.engine.ensemble import Ensemble, Member
from pipeline.training.engine.random_streams import Purpose

IMAGES_A_MEMBER = 16
SCALE = 2
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000
NAME = re.compile(r"step_(\d+)\.png")

Pictures = npt.NDArray[np.uint8]  # (16, C, H, W) of one member


def snapshot_name(step: int) -> str:
    """The file of a step's snapshot."""
    return f"step_{step:06d}.png"


def snapshot_step(path: Path) -> int:
    """The step of a snapshot's file."""
    found = NAME.fullmatch(path.name)
    if found is None:
        raise ValueError(f"{path}: not the name of a snapshot, expected one like {snapshot_name(500)}")
    return int(found[1])


def fixed_latents(members: Sequence[Member], size: int, distribution: str) -> torch.Tensor:
    """The latents (M, 16, Z) that a member's snapshots show, the same for all configurations."""
    streams = [member.address.stream(Purpose.SNAPSHOT) for member in members]
    return torch.stack([random_latents(distribution, (IMAGES_A_MEMBER, size), stream) for stream in streams])  # type: ignore[arg-type]


def draw(ensemble: Ensemble) -> list[Pictures]:
    """What each member's fixed latents look like now; values that are not finite are black."""
    return [each for stack in ensemble.stacks for each in _draw_stack(stack)]


def _draw_stack(ensemble: Ensemble) -> npt.NDArray[np.uint8]:
    network = ensemble.network
    latents = fixed_latents(ensemble.members, network.latent_size, network.latent_distribution)
    with ensemble.evaluating():
        images = ensemble.generate_scored(latents.to(ensemble.device))
    return as_pixels(images, network.value_range)


def as_pixels(images: torch.Tensor, value_range: ValueRange) -> npt.NDArray[np.uint8]:
    """Images of any shape, float32 → pixels on the host; values that are not finite are black."""
    black = value_range[0]
    finite = torch.nan_to_num(images, nan=black, posinf=black, neginf=black)
    pixels: npt.NDArray[np.uint8] = to_pixels(finite, value_range).cpu().numpy()
    return pixels


def write_snapshot(path: Path, members: Sequence[Pictures]) -> None:
    """One PNG, a row a member; it appears whole."""
    with atomic_file(path) as temporary:
        write_grid(temporary, np.concatenate(members), IMAGES_A_MEMBER, SCALE)


def write_movie(path: Path, snapshots: Sequence[Path]) -> None:
    """The snapshots one after another as an animated GIF that starts over."""
    frames = [_frame(each) for each in snapshots]
    durations = [*[FRAME_MILLISECONDS] * (len(frames) - 1), LAST_FRAME_MILLISECONDS]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def _frame(path: Path) -> Image.Image:
    """A snapshot at half its size: the pixels of the images."""
    with Image.open(path) as picture:
        return picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.NEAREST)
