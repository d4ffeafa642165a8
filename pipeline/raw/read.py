"""Read: the images and labels in a folder of raw files, every count checked.

In: the files as published, in one of two layouts. Out: for train and test, images (N, 1, H, W) uint8 in 0..255 and
labels (N,) int64 in 0..C-1.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from pipeline.raw.idx import DamagedFileError, decompressed, parse_idx
from pipeline.storage.images import Pixels

SUBSET_TEST_EVERY = 5  # of the 500 images a digit, every fifth is held out for testing


@dataclass(frozen=True)
class Split:
    """One split of a data set."""

    pixels: Pixels  # (N, C, H, W) uint8, 0..255
    labels: npt.NDArray[np.int64]  # (N,), 0..C-1

    def __len__(self) -> int:
        return len(self.labels)

    def class_histogram(self, class_count: int) -> list[int]:
        """How many images there are of each class."""
        counts: list[int] = np.bincount(self.labels, minlength=class_count).tolist()
        return counts


def one_of_each_class(pixels: Pixels, labels: npt.NDArray[np.int64]) -> Pixels:
    """The first image of every class, in the classes' order: what previews show."""
    shown: Pixels = pixels[np.unique(labels, return_index=True)[1]]
    return shown


def read_splits(folder: Path, layout: str, class_count: int) -> dict[str, Split]:
    """`{"train": …, "test": …}` from the files of a layout ("idx" or "mnist_5k_csv")."""
    if layout == "idx":
        splits = {name: _read_idx_split(folder, prefix) for name, prefix in (("train", "train"), ("test", "t10k"))}
    elif layout == "mnist_5k_csv":
        splits = _read_mnist_5k(folder / "mnist_5k.csv.gz")
    else:
        raise ValueError(f"{folder}: unknown layout {layout!r}, expected 'idx' or 'mnist_5k_csv'")
    for name, split in splits.items():
        _check(folder, name, split, class_count)
    return splits


def _read_idx_split(folder: Path, prefix: str) -> Split:
    images = _read_idx(folder, f"{prefix}-images-idx3-ubyte.gz", 3)
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte.gz", 1)
    if len(images) != len(labels):
        raise DamagedFileError(
            f"{folder}: found {len(images):,} images but {len(labels):,} labels in the {prefix} files; "
            "expected one label an image: the files do not belong together"
        )
    return Split(images[:, np.newaxis], labels.astype(np.int64))


def _read_idx(folder: Path, name: str, dimensions: int) -> npt.NDArray[np.uint8]:
    path = folder / name if (folder / name).exists() else folder / name.removesuffix(".gz")
    return parse_idx(decompressed(path), dimensions, str(path))


def _read_mnist_5k(path: Path) -> dict[str, Split]:
    """A row is 784 pixels and the label; 500 rows a digit, sorted by digit."""
    options = pa.csv.ReadOptions(autogenerate_column_names=True)
    table = pa.csv.read_csv(io.BytesIO(decompressed(path)), read_options=options)
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    if values.shape != (5000, 785):
        raise DamagedFileError(
            f"{path}: found a table of {values.shape}, expected 5,000 rows of 784 pixels and a label"
        )
    pixels = values[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    labels = values[:, -1].astype(np.int64)
    held_out = np.arange(len(labels)) % SUBSET_TEST_EVERY == SUBSET_TEST_EVERY - 1
    return {"train": Split(pixels[~held_out], labels[~held_out]), "test": Split(pixels[held_out], labels[held_out])}


def _check(folder: Path, name: str, split: Split, class_count: int) -> None:
    if len(split) == 0:
        raise DamagedFileError(f"{folder}: the {name} split has no images; expected at least one")
    if split.labels.max() >= class_count:
        raise DamagedFileError(
            f"{folder}: the {name} split has label {split.labels.max()}, expected labels below {class_count}"
        )
