"""Picture files: images as files that other programs read: one grid, an array, an animation, or a folder of pictures.

In: `GeneratedImages`. Out: `.png`, `.npz` (for `ganforge score` and NumPy), `.gif`, or a folder of numbered `.png`
files. Each file or folder appears complete or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.networks.latents import Latents
from pipeline.samples.picture_folder import atomic_folder
from pipeline.storage.atomic import atomic_file
from pipeline.storage.images import Pixels
from pipeline.storage.pictures import GAP_GREY, encode_png, tile

FOLDER = "folder"
SCALE = 2
LARGEST_SCALED_PIXELS = 2000  # of a picture's longer side before it is scaled
ENCODABLE_PIXELS = 65_535  # of either side of a GIF; a PNG could be larger, but few programs show it


@dataclass(frozen=True)
class GeneratedImages:
    """Images with their latents, latent seeds and members."""

    pixels: Pixels  # (N, C, H, W) uint8
    latents: Latents  # (N, Z)
    latent_seeds: npt.NDArray[np.int64]  # (N,)
    members: npt.NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.pixels)


def kind_of(output: str, suffixes: Sequence[str]) -> str:
    """Return the suffix of a path as typed, or FOLDER if it ends in a slash or has no suffix."""
    suffix = Path(output).suffix.lower()
    if output.endswith("/") or not suffix:
        return FOLDER
    if suffix not in suffixes:
        expected = ", ".join(suffixes)
        raise ValueError(f"{output}: found the suffix {suffix}, expected {expected}, or a folder (ending in /)")
    return suffix


def near_square(count: int) -> int:
    """Return the number of columns of a nearly square grid of `count` images."""
    return math.isqrt(max(count, 1) - 1) + 1


def write_generated(path: Path, kind: str, images: GeneratedImages, columns: int, *, force: bool) -> None:
    """Write images as a file of a kind that `kind_of` returns, except animations. `columns` applies to grids."""
    if kind == FOLDER:
        write_folder(path, images, force=force)
    elif kind == ".npz":
        write_array(path, images)
    else:
        write_grid_file(path, images.pixels, columns)


def write_grid_file(path: Path, pixels: Pixels, columns: int) -> None:
    """Write images (N, C, H, W) as one picture, row by row."""
    grid = tile(pixels, columns)
    _expect_encodable(path, grid)
    with atomic_file(path) as temporary:
        temporary.write_bytes(encode_png(grid, _scale(grid)))


def write_array(path: Path, images: GeneratedImages) -> None:
    """Write `images` (N, H, W, C) uint8, `latents` (N, Z) float32, `latent_seed` and `member` (N,) int64."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:  # an open file: numpy adds its suffix to a path
        np.savez_compressed(
            file,
            images=np.moveaxis(images.pixels, 1, 3),
            latents=images.latents,
            latent_seed=images.latent_seeds,
            member=images.members,
        )


def write_animation(path: Path, frames: Sequence[Pixels], columns: int, frame_milliseconds: int) -> None:
    """Write frames, (N, C, H, W) each, as an endless animation of grids; the last may hold fewer images."""
    tiled = [tile(_filled(frame, len(frames[0])), columns) for frame in frames]
    _expect_encodable(path, tiled[0])
    pictures = [_picture(grid, _scale(grid)) for grid in tiled]
    with atomic_file(path) as temporary:
        # Pillow's optimisation of palettes changes grey levels in frames that do not use all 256.
        pictures[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=frame_milliseconds,
            loop=0,
            optimize=False,
        )


def write_folder(folder: Path, images: GeneratedImages, *, force: bool) -> None:
    """Write one picture per image, numbered from 00000; with several members `member_0_00000.png` and so on."""
    several = len(np.unique(images.members)) > 1
    numbers = dict.fromkeys(images.members.tolist(), 0)
    with atomic_folder(folder, force=force) as pictures:
        for image, member in zip(images.pixels, images.members.tolist(), strict=True):
            prefix = f"member_{member}_" if several else ""
            (pictures / f"{prefix}{numbers[member]:05d}.png").write_bytes(encode_png(image))
            numbers[member] += 1


def _scale(grid: Pixels) -> int:
    return SCALE if max(grid.shape) <= LARGEST_SCALED_PIXELS else 1


def _expect_encodable(path: Path, grid: Pixels) -> None:
    _, height, width = grid.shape
    if max(height, width) > ENCODABLE_PIXELS:
        raise ValueError(
            f"{path}: found a grid of {width:,} x {height:,} pixels, expected at most {ENCODABLE_PIXELS:,} per side; "
            "take fewer images with -n or other --columns"
        )


def _filled(pixels: Pixels, count: int) -> Pixels:
    missing = np.full((count - len(pixels), *pixels.shape[1:]), GAP_GREY, np.uint8)
    return np.concatenate([pixels, missing])


def _picture(image: Pixels, scale: int) -> Image.Image:
    """Return one image (C, H, W) as a picture `scale` times as large."""
    picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
