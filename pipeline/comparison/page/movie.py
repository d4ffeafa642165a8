"""Movie: the same 16 latents drawn again and again during training, all configurations in step.

In: each training's `snapshots/step_….png` (a row of 16 images a member, every pixel doubled). Out: a sheet of frames a
configuration, at pixel size, and for each step of the movie the place of its frame on the sheet.
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
from pipeline.comparison.page.pictures import film_uri, fullest
from pipeline.storage.images import Pixels
from pipeline.storage.pictures import GAP_PIXELS, tile
from pipeline.training.kinds_of_weights import weights_along

FRAME_COLUMNS = 4
PLANS = (40, 28, 20, 14, 10, 7, 5, 3, 2)  # frames at most, fullest first

Reel = dict[int, Pixels]  # by step, the frame (C, H', W')


def gather_movie(entries: Sequence[PageEntry], budget_bytes: int) -> dict[str, Any]:
    """`steps` of the movie, `by_configuration`: key → its sheet and the place of every step's frame, `missing`.

    `others` has a sentence for each configuration whose frames are of other weights than its report.
    """
    reels, missing = gather_each(entries, _reel)
    steps = sorted({step for reel in reels.values() for step in reel})
    plans = [most for most in PLANS if most < len(steps)]
    plans = [len(steps), *plans] if len(steps) <= PLANS[0] else plans
    if not reels:
        return {"steps": [], "by_configuration": {}, "missing": missing, "frames_left_out": 0, "others": []}
    most, sheets = fullest(plans, lambda most: _sheets(reels, _spread(steps, most)), _size_bytes, budget_bytes)
    shown = _spread(steps, most)
    return {
        "steps": shown,
        "by_configuration": sheets,
        "missing": missing,
        "frames_left_out": len(steps) - len(shown),
        "others": other_weights(
            entries, {each.key: weights_along(each.training()) for each in entries if each.key in reels}
        ),
    }


def _spread(steps: Sequence[int], most: int) -> list[int]:
    """At most so many steps, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    return [steps[place] for place in dict.fromkeys(places.tolist())]


def _reel(entry: PageEntry) -> Reel:
    from pipeline.training.records.snapshots import snapshot_step

    training = entry.training()
    names = sorted(name for name in training.files if name.startswith("snapshots/"))
    if not names:
        raise PartMissingError("it kept no snapshots")
    member = entry.first_sound_member()
    shape = training.details["image_shape"]
    return {snapshot_step(path): _frame(path, member, shape) for path in map(training.verified_path, names)}


def _frame(path: Path, member: int, shape: Sequence[int]) -> Pixels:
    """One member's 16 images of a snapshot, as a square."""
    from pipeline.training.records.snapshots import IMAGES_A_MEMBER, SCALE

    channels, height, width = shape
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))[::SCALE, ::SCALE]
    row = pixels.reshape(*pixels.shape[:2], channels)[member * (height + GAP_PIXELS) :][:height]
    starts = [place * (width + GAP_PIXELS) for place in range(IMAGES_A_MEMBER)]
    return tile(np.stack([np.moveaxis(row[:, start : start + width], -1, 0) for start in starts]), FRAME_COLUMNS)


def _sheets(reels: dict[str, Reel], steps: Sequence[int]) -> dict[str, dict[str, Any]]:
    return {key: _sheet(reel, steps) for key, reel in reels.items()}


def _sheet(reel: Reel, steps: Sequence[int]) -> dict[str, Any]:
    """The frames that the steps need, each once: a configuration with rarer snapshots shows its latest one."""
    own = sorted(reel)
    latest = [own[max(0, bisect_right(own, step) - 1)] for step in steps]
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
    """Frames (N, C, H, W) → one image without gaps, `columns` a row."""
    count, channels, height, width = frames.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = frames
    placed = sheet.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return placed.reshape(channels, rows * height, columns * width)


def _size_bytes(sheets: dict[str, dict[str, Any]]) -> int:
    return sum(len(sheet["uri"]) for sheet in sheets.values())
