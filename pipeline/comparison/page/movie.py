"""Movie: images of the same 16 latents during training, all configurations at the same step.

In: each training's `snapshots/step_….png`, with one row of 16 images per member and every pixel doubled. Out: one sheet
of frames per configuration, at pixel size, and the index of the frame on the sheet for each step of the movie.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each, other_weights
from pipeline.comparison.page.pictures import film_uri, largest_within
from pipeline.storage.images import Pixels
from pipeline.storage.pictures import GAP_PIXELS, tile
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import weights_along

FRAME_COLUMNS = 4
FRAME_COUNTS = (40, 28, 20, 14, 10, 7, 5, 3, 2)  # frames at most, most first

Reel = dict[int, Pixels]  # step → frame (C, H', W')


def gather_movie(entries: Sequence[PageEntry], budget_bytes: int) -> dict[str, Any]:
    """Return the `steps` of the movie, and `by_configuration`: key → sheet and index of every step's frame.

    `missing` has the reasons for configurations without frames. `others` has a sentence for each configuration with
    frames of other weights than its report.
    """
    reels, missing = gather_each(entries, _reel)
    steps = sorted({step for reel in reels.values() for step in reel})
    counts = [most for most in FRAME_COUNTS if most < len(steps)]
    counts = [len(steps), *counts] if len(steps) <= FRAME_COUNTS[0] else counts
    if not reels:
        return {"steps": [], "by_configuration": {}, "missing": missing, "frames_left_out": 0, "others": []}
    most, sheets = largest_within(counts, lambda most: _sheets(reels, _spread(steps, most)), _size_bytes, budget_bytes)
    movie_steps = _spread(steps, most)
    return {
        "steps": movie_steps,
        "by_configuration": sheets,
        "missing": missing,
        "frames_left_out": len(steps) - len(movie_steps),
        "others": other_weights(
            entries, {entry.key: weights_along(entry.training()) for entry in entries if entry.key in reels}
        ),
    }


def _spread(steps: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the steps, evenly spread, with the first and the last one."""
    indices = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    return [steps[index] for index in dict.fromkeys(indices.tolist())]


def _reel(entry: PageEntry) -> Reel:
    from pipeline.training.records.snapshots import snapshot_step

    training = entry.training()
    names = sorted(name for name in training.files if name.startswith("snapshots/"))
    if not names:
        raise PartMissingError("it has no snapshots")
    member = entry.first_sound_member()
    shape = training.details_as(TrainingDetails).image_shape
    return {snapshot_step(path): _frame(path, member, shape) for path in map(training.verified_path, names)}


def _frame(path: Path, member: int, shape: Sequence[int]) -> Pixels:
    """Return one member's 16 images of a snapshot, as a square."""
    from pipeline.training.records.snapshots import IMAGES_A_MEMBER, SCALE

    channels, height, width = shape
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))[::SCALE, ::SCALE]
    row = pixels.reshape(*pixels.shape[:2], channels)[member * (height + GAP_PIXELS) :][:height]
    starts = [index * (width + GAP_PIXELS) for index in range(IMAGES_A_MEMBER)]
    return tile(np.stack([np.moveaxis(row[:, start : start + width], -1, 0) for start in starts]), FRAME_COLUMNS)


def _sheets(reels: dict[str, Reel], steps: Sequence[int]) -> dict[str, dict[str, Any]]:
    return {key: _sheet(reel, steps) for key, reel in reels.items()}


def _sheet(reel: Reel, steps: Sequence[int]) -> dict[str, Any]:
    """Return a sheet with the frames for the steps. With rarer snapshots, a step shows the latest one before it."""
    taken_at = sorted(reel)
    latest = [taken_at[max(0, bisect_right(taken_at, step) - 1)] for step in steps]
    needed = list(dict.fromkeys(latest))
    columns = math.ceil(math.sqrt(len(needed)))
    frames = np.stack([reel[step] for step in needed])
    return {
        "uri": film_uri(_joined(frames, columns)),
        "columns": columns,
        "width": frames.shape[3],
        "height": frames.shape[2],
        "frames": [needed.index(step) for step in latest],
    }


def _joined(frames: Pixels, columns: int) -> Pixels:
    """Return frames (N, C, H, W) as one image without gaps, `columns` frames per row."""
    count, channels, height, width = frames.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = frames
    placed = sheet.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return placed.reshape(channels, rows * height, columns * width)


def _size_bytes(sheets: dict[str, dict[str, Any]]) -> int:
    return sum(len(sheet["uri"]) for sheet in sheets.values())
