"""Contents: the pictures and labels in the raw files of a data set, in the same form for every file format.

A picture is (H, W) uint8 grey or (H, W, 3) uint8 RGB, 0..255. Each is read on demand: a split of 200,000 photographs
takes no more memory than one of 20. A small share of `unreadable` pictures may be left out, by name. The formats are
read in `idx_layout.py`, `picture_layouts.py` and `array_layouts.py`.
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
    """One image cannot be read, while the rest of the data set may be readable; the message gives the reason."""


@dataclass(frozen=True)
class RawSplit:
    """One split of a data set. `read` may be called from several threads at once."""

    names: Sequence[str]  # of each image, for messages
    labels: Labels | None
    read: Callable[[int], Picture]  # the picture at an index; `UnreadableImageError` if it cannot be decoded

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: npt.NDArray[np.int64]) -> RawSplit:
        """Return a split of the images at `indices`, in that order."""
        labels = None if self.labels is None else self.labels[indices]
        names = [self.names[index] for index in indices]
        return RawSplit(names, labels, lambda index: self.read(int(indices[index])))

    def preview(self) -> list[npt.NDArray[np.uint8]]:
        """Return at most ten undamaged pictures (C, H, W) uint8, one per class if there are classes."""
        pictures = []
        for index in preview_indices(self.labels, len(self)):
            with suppress(UnreadableImageError):
                pictures.append(channels_first(self.read(int(index))))
        return pictures


@dataclass(frozen=True)
class Contents:
    """The splits, labels and omissions of a data set's files."""

    splits: dict[str, RawSplit]  # "train" and "test"
    labels: str  # "classes" | "attributes" | "none"
    class_names: tuple[str, ...]  # of classes or attributes
    test_split: str  # the origin of the test images, such as "every fifth image"
    unreadable: tuple[str, ...] = ()  # names of images left out because they cannot be read
    unlisted: tuple[str, ...] = ()  # names of images left out because the data set's list lacks them
    unused: Mapping[str, int] = field(default_factory=dict)  # number of readable images in neither split, by reason

    def histogram(self) -> dict[str, list[int]]:
        """Return by split the number of images of each class or with each attribute."""
        return {name: histogram(split.labels, len(self.class_names)) for name, split in self.splits.items()}


def histogram(labels: Labels | None, class_count: int) -> list[int]:
    """Return the number of images of each class, or with each attribute; [] without labels."""
    if labels is None:
        return []
    counts = np.bincount(labels, minlength=class_count) if labels.ndim == 1 else labels.sum(axis=0, dtype=np.int64)
    numbers: list[int] = counts.tolist()
    return numbers


def preview_indices(labels: Labels | None, count: int, at_most: int = 10) -> npt.NDArray[np.int64]:
    """Return the indices of the images in previews: the first of each class in the classes' order, else the first."""
    if labels is None or labels.ndim != 1:
        return np.arange(min(count, at_most))
    indices: npt.NDArray[np.int64] = np.unique(labels, return_index=True)[1][:at_most]
    return indices


def channels_first(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return a picture (H, W) or (H, W, C) as (C, H, W), with the same values."""
    return picture[np.newaxis] if picture.ndim == 2 else np.ascontiguousarray(np.moveaxis(picture, -1, 0))


def shape_in_words(shape: tuple[int, ...]) -> str:
    """Return the shape (C, H, W) of an image for messages, such as `178 x 218 RGB`."""
    channels, height, width = shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def only_file(folder: Path, suffix: str) -> Path:
    """Return the only file with a suffix in a folder of raw files."""
    paths = sorted(folder.glob(f"*{suffix}"))
    if len(paths) != 1:
        raise FileNotFoundError(f"{folder}: found {len(paths)} files *{suffix}, expected one; materialize it again")
    return paths[0]


def every_fifth(count: int, where: str) -> npt.NDArray[np.bool_]:
    """Return a mask (count,) of the images, in the order of their names, that are held out for testing."""
    if count < TEST_EVERY:
        raise DamagedFileError(
            f"{where}: found {count} images, expected at least {TEST_EVERY}: every fifth one is held out for testing"
        )
    held_out: npt.NDArray[np.bool_] = np.arange(count) % TEST_EVERY == TEST_EVERY - 1
    return held_out


def tolerate(left_out: Mapping[str, str], count: int, where: Path | str, problem: str, advice: str) -> None:
    """Log images that are left out, by name with the reason, if they are few of `count`; else raise one error.

    The log names a file `where` without its folder, which may be temporary.
    """
    if not left_out:
        return
    tolerated = max(1, int(TOLERATED_SHARE * count))
    examples = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:NAMES_IN_MESSAGE])
    examples += "; …" if len(left_out) > NAMES_IN_MESSAGE else ""
    summary = f"{len(left_out):,} of {count:,} images {problem} ({examples})"
    if len(left_out) > tolerated:
        raise DamagedFileError(f"{where}: {summary}, expected at most {tolerated:,}; {advice}")
    log.warning("%s: %s; left out", where.name if isinstance(where, Path) else where, summary)
