"""Contents: what the raw files of a data set hold, one picture at a time, whatever format they are in.

A picture is (H, W) uint8 grey or (H, W, 3) uint8 RGB, 0..255, read when asked for: a split of 200,000 photographs costs
no more memory than one of 20. `unreadable` pictures are left out by name, up to a share; the formats are read in
`idx_layout.py`, `picture_layouts.py` and `array_layouts.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.raw.idx import DamagedFileError

log = logging.getLogger(__name__)

Picture = npt.NDArray[np.uint8]  # (H, W) or (H, W, 3), 0..255
Labels = npt.NDArray[Any]  # (N,) int64 classes | (N, K) uint8, 1 where the attribute is there

TEST_EVERY = 5  # every fifth image is held out for testing where no test split is published
EVERY_FIFTH = "every fifth image"
TOLERATED_SHARE = 0.01  # of the images may be unreadable: one bad photograph should not cost 200,000
NAMES_IN_MESSAGE = 3


class UnreadableImageError(ValueError):
    """One image that cannot be read, though others of the same data set may; the message says why."""


@dataclass(frozen=True)
class RawSplit:
    """One split of a data set. `read` may be called from several threads at once."""

    names: Sequence[str]  # of each image, for messages
    labels: Labels | None
    read: Callable[[int], Picture]  # the picture at a place; `UnreadableImageError` where it cannot be decoded

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: npt.NDArray[np.int64]) -> RawSplit:
        """Return a split of the images at `indices`, in that order."""
        labels = None if self.labels is None else self.labels[indices]
        names = [self.names[index] for index in indices]
        return RawSplit(names, labels, lambda index: self.read(int(indices[index])))

    def preview(self) -> list[npt.NDArray[np.uint8]]:
        """Ten pictures at most as (C, H, W) uint8, one of each class where there are classes; damaged ones not."""
        shown = []
        for place in preview_indices(self.labels, len(self)):
            with suppress(UnreadableImageError):
                shown.append(channels_first(self.read(int(place))))
        return shown


@dataclass(frozen=True)
class Contents:
    """What the files hold, train and test apart."""

    splits: dict[str, RawSplit]  # "train" and "test"
    labels: str  # "classes" | "attributes" | "none"
    class_names: tuple[str, ...]  # of classes or attributes
    test_split: str  # where the test images come from, such as "every fifth image"
    unreadable: tuple[str, ...] = ()  # names of the images left out because they cannot be read
    unlisted: tuple[str, ...] = ()  # names of those left out because a list that comes with the images leaves them out
    unused: Mapping[str, int] = field(default_factory=dict)  # how many sound images are in neither split, by reason

    def histogram(self) -> dict[str, list[int]]:
        """By split, how many images there are of each class or with each attribute."""
        return {name: histogram(split.labels, len(self.class_names)) for name, split in self.splits.items()}


def histogram(labels: Labels | None, class_count: int) -> list[int]:
    """How many images there are of each class, or with each attribute; none without labels."""
    if labels is None:
        return []
    counts = np.bincount(labels, minlength=class_count) if labels.ndim == 1 else labels.sum(axis=0, dtype=np.int64)
    found: list[int] = counts.tolist()
    return found


def preview_indices(labels: Labels | None, count: int, at_most: int = 10) -> npt.NDArray[np.int64]:
    """Places of the images that previews show: the first of each class in the classes' order, else the first."""
    if labels is None or labels.ndim != 1:
        return np.arange(min(count, at_most))
    places: npt.NDArray[np.int64] = np.unique(labels, return_index=True)[1][:at_most]
    return places


def channels_first(picture: Picture) -> npt.NDArray[np.uint8]:
    """(H, W) or (H, W, C) → (C, H, W), the same values."""
    return picture[np.newaxis] if picture.ndim == 2 else np.ascontiguousarray(np.moveaxis(picture, -1, 0))


def shape_in_words(shape: tuple[int, ...]) -> str:
    """Return the shape (C, H, W) of an image for messages, such as `178 x 218 RGB`."""
    channels, height, width = shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def only_file(folder: Path, suffix: str) -> Path:
    """The one file of a kind among raw files, whatever its name."""
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise FileNotFoundError(f"{folder}: found {len(found)} files *{suffix}, expected one; materialize it again")
    return found[0]


def every_fifth(count: int, where: str) -> npt.NDArray[np.bool_]:
    """Which of `count` images in the order of their names are held out for testing."""
    if count < TEST_EVERY:
        raise DamagedFileError(
            f"{where}: found {count} images, expected at least {TEST_EVERY}: every fifth one is held out for testing"
        )
    held_out: npt.NDArray[np.bool_] = np.arange(count) % TEST_EVERY == TEST_EVERY - 1
    return held_out


def tolerate(left_out: Mapping[str, str], count: int, where: Path | str, what: str, advice: str) -> None:
    """A few of `count` images may be left out (by name, with the reason), which is logged; more are one error.

    The log names a file `where` without its folder, which may be one that is there for a moment only.
    """
    if not left_out:
        return
    tolerated = max(1, int(TOLERATED_SHARE * count))
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:NAMES_IN_MESSAGE])
    shown += "; …" if len(left_out) > NAMES_IN_MESSAGE else ""
    found = f"{len(left_out):,} of {count:,} images {what} ({shown})"
    if len(left_out) > tolerated:
        raise DamagedFileError(f"{where}: {found}, expected at most {tolerated:,}; {advice}")
    log.warning("%s: %s; left out", where.name if isinstance(where, Path) else where, found)
