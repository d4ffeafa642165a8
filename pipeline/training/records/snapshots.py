"""Snapshots: images of the same few latents at many steps, from step 0 on, and their movie.

They use the weights that samples use: the running average if the configuration keeps one.
Out: one PNG per snapshot, one row per member, and `movie.gif`. A diverged member's tiles show its last sound weights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline.networks import Network
from pipeline.pixels import ValueRange, to_pixels
from pipeline.storage.atomic import atomic_file
from pipeline.storage.pictures import read_grid, write_grid
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import Purpose, stacked_latents

IMAGES_A_MEMBER = 16
SCALE = 2
FRAME_MILLISECONDS = 150
LAST_FRAME_MILLISECONDS = 2000
NAME = re.compile(r"step_(\d+)\.png")

Pictures = npt.NDArray[np.uint8]  # (16, C, H, W) of one member


def snapshot_name(step: int) -> str:
    """Return the file name of a step's snapshot."""
    return f"step_{step:06d}.png"


def snapshot_step(path: Path) -> int:
    """Return the step of a snapshot's file."""
    match = NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path}: not the name of a snapshot, expected one like {snapshot_name(500)}")
    return int(match[1])


def snapshot_latents(members: Sequence[Member], network: Network) -> torch.Tensor:
    """Return the latents (M, 16, Z) of the members' snapshots, the same for all configurations and steps."""
    streams = [member.address.stream(Purpose.SNAPSHOT) for member in members]
    return stacked_latents(network, (IMAGES_A_MEMBER, network.latent_size), streams)


def snapshot_pictures(ensemble: Ensemble) -> list[Pictures]:
    """Return each member's images of its snapshot latents now; values that are not finite are black."""
    latents = snapshot_latents(ensemble.members, ensemble.network)
    with ensemble.eval_mode():
        images = ensemble.generate_scored(latents.to(ensemble.device))
    return list(as_pixels(images, ensemble.network.value_range))


def as_pixels(images: torch.Tensor, value_range: ValueRange) -> npt.NDArray[np.uint8]:
    """Return float32 images of any shape as pixels on the host. Values that are not finite are black."""
    black = value_range[0]
    finite = torch.nan_to_num(images, nan=black, posinf=black, neginf=black)
    pixels: npt.NDArray[np.uint8] = to_pixels(finite, value_range).cpu().numpy()
    return pixels


def write_snapshot(path: Path, members: Sequence[Pictures]) -> None:
    """Write one PNG with one row per member, atomically."""
    with atomic_file(path) as temporary:
        write_grid(temporary, np.concatenate(members), IMAGES_A_MEMBER, SCALE)


def read_snapshot(path: Path, image_shape: tuple[int, int, int]) -> Sequence[Pictures]:
    """Return the pictures of each member that `write_snapshot` wrote."""
    pictures = read_grid(path, image_shape, IMAGES_A_MEMBER, SCALE)
    return np.split(pictures, len(pictures) // IMAGES_A_MEMBER)


def snapshots_in(folder: Path) -> dict[int, Path]:
    """Return the snapshots in a folder by step, the earliest first."""
    return {snapshot_step(path): path for path in sorted(folder.glob("step_*.png"), key=snapshot_step)}


def write_movie(path: Path, snapshots: Sequence[Path]) -> None:
    """Write the snapshots one after another as an animated GIF that repeats."""
    frames = [_frame(snapshot) for snapshot in snapshots]
    durations = [*[FRAME_MILLISECONDS] * (len(frames) - 1), LAST_FRAME_MILLISECONDS]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def _frame(path: Path) -> Image.Image:
    """Return a snapshot at half its size, one pixel per pixel of the images."""
    with Image.open(path) as picture:
        return picture.resize((picture.width // SCALE, picture.height // SCALE), Image.Resampling.NEAREST)
