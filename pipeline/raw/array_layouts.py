"""Array layouts: a user's images in one `.npz` or `.parquet` file.

In: `.npz` with `images` (N, H, W) or (N, H, W, C) uint8 and optionally `labels`, `test_images`, `test_labels`; or
`.parquet` with a column `image` (encoded bytes, a struct whose field `bytes` holds them as Hugging Face writes it, or
Arrow's fixed-shape tensor of uint8) and optionally an integer column `label`. Python objects are never unpickled.
Out: `Contents`. An `.npz` is held in memory, a `.parquet` is read by row groups.
"""

from __future__ import annotations

import functools
import threading
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from pipeline.raw.archive import LARGEST_RATIO, RATIO_COUNTS_FROM_BYTES, find_unreadable
from pipeline.raw.contents import (
    EVERY_FIFTH,
    Contents,
    Picture,
    RawSplit,
    UnreadableImageError,
    every_fifth,
    only_file,
)
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.idx_layout import array_split
from pipeline.raw.picture_layouts import encoded_split

IMAGE_ARRAYS = ("images", "test_images")  # only these are tested for bombs: labels may repeat one value often
NPZ_ARRAYS = (*IMAGE_ARRAYS, "labels", "test_labels")
MOST_NPZ_BYTES = 8 << 30  # an .npz is held in memory
NPZ_SHAPES = "uint8 (N, H, W) or (N, H, W, C) with 1 or 3 channels"
MOST_CLASSES = 10_000  # a larger label is no class but a number with another meaning
GROUPS_KEPT = 4  # row groups in memory: neighbouring threads may read across a border

ClassLabels = npt.NDArray[np.int64]


def read_npz(folder: Path) -> Contents:
    """Read the arrays of a `.npz` file."""
    path = only_file(folder, ".npz")
    arrays = _load_arrays(path)
    if "images" not in arrays:
        raise DamagedFileError(f"{path}: found arrays {', '.join(arrays) or 'none'}, expected one named images")
    images = _images(path, "images", arrays["images"])
    labels = _labels(path, "labels", arrays.get("labels"), len(images))
    if "test_images" in arrays:
        test_images = _images(path, "test_images", arrays["test_images"])
        test_labels = _labels(path, "test_labels", arrays.get("test_labels"), len(test_images))
        if (labels is None) != (test_labels is None):
            raise DamagedFileError(f"{path}: found labels for one split only, expected labels and test_labels, or none")
        train, test = array_split("train", images, labels), array_split("test", test_images, test_labels)
        return _contents({"train": train, "test": test}, "test_images")
    return _contents(_held_out(path, array_split("train", images, labels)), EVERY_FIFTH)


def _load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            _check_sizes(path)
            loaded = {name: arrays[name] for name in NPZ_ARRAYS if name in arrays}
    except DamagedFileError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError, RuntimeError) as error:
        raise DamagedFileError(
            f"{path}: cannot be read ({_one_line(error)}), expected arrays saved by numpy.savez, without Python objects"
        ) from error
    for name, array in loaded.items():
        if not isinstance(array, np.ndarray):
            raise DamagedFileError(f"{path}: {name} is no array, expected arrays saved by numpy.savez")
    return loaded


def _check_sizes(path: Path) -> None:
    """Raise if the arrays declare too many bytes, before any is loaded. Loading inflates no more than declared."""
    with zipfile.ZipFile(path) as archive:
        entries = [(entry.filename.removesuffix(".npy"), entry) for entry in archive.infolist()]
    size_bytes = sum(entry.file_size for name, entry in entries if name in NPZ_ARRAYS)
    if size_bytes > MOST_NPZ_BYTES:
        raise DamagedFileError(
            f"{path}: its arrays declare {size_bytes:,} bytes, expected at most {MOST_NPZ_BYTES:,}; use a folder of "
            "images or a .parquet, which are read piece by piece"
        )
    for name, entry in entries:
        is_bomb = entry.file_size > max(RATIO_COUNTS_FROM_BYTES, LARGEST_RATIO * entry.compress_size)
        if is_bomb and name in IMAGE_ARRAYS:
            raise DamagedFileError(
                f"{path}: {name} declares {entry.file_size:,} bytes from {entry.compress_size:,}, expected at most "
                f"{LARGEST_RATIO:,} times as many; it is a decompression bomb, or holds no pictures: save it again "
                "with numpy.savez"
            )


def _images(path: Path, name: str, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    channels_fit = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if images.dtype != np.uint8 or not channels_fit or 0 in images.shape:
        raise DamagedFileError(f"{path}: {name} is {images.dtype} {images.shape}, expected {NPZ_SHAPES}")
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def _labels(path: Path, name: str, labels: npt.NDArray[Any] | None, count: int) -> ClassLabels | None:
    if labels is None or not count:
        return None
    are_integers = labels.dtype.kind in "iu" and labels.shape == (count,)
    if not are_integers or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        form = f"{labels.dtype} {labels.shape}" + (f" from {labels.min()} to {labels.max()}" if are_integers else "")
        raise DamagedFileError(
            f"{path}: {name} is {form}, expected integers ({count},) from 0 to {MOST_CLASSES - 1}, one per image"
        )
    return labels.astype(np.int64)


def _held_out(path: Path, all_images: RawSplit) -> dict[str, RawSplit]:
    held_out = every_fifth(len(all_images), str(path))
    return {"train": all_images.select(np.flatnonzero(~held_out)), "test": all_images.select(np.flatnonzero(held_out))}


def _one_line(error: Exception) -> str:
    """Return the message of an error in one line; Arrow's messages have several."""
    return " ".join(str(error).split())


def _contents(splits: dict[str, RawSplit], rule: str, unreadable: tuple[str, ...] = ()) -> Contents:
    labels = [split.labels for split in splits.values() if split.labels is not None]
    if not labels:
        return Contents(splits, "none", (), rule, unreadable)
    count = 1 + max(int(values.max()) for values in labels)
    return Contents(splits, "classes", tuple(str(index) for index in range(count)), rule, unreadable)


# ---------------------------------------------------------------------------------------------------------------------
# Parquet


def read_parquet(folder: Path, unreadable: Sequence[str] | None) -> Contents:
    """Read the rows of a `.parquet` file; `unreadable` as in `picture_layouts.open_archive`."""
    path = only_file(folder, ".parquet")
    try:
        rows = Rows(path)
        labels = _labels(path, "column label", rows.labels(), len(rows.names))
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"{path}: not a whole Parquet file ({_one_line(error)}); get it again") from error
    if rows.holds_arrays:
        all_images = RawSplit(rows.names, labels, rows.picture)
        return _contents(_held_out(path, all_images), EVERY_FIFTH)
    damaged = find_unreadable(rows) if unreadable is None else tuple(unreadable)
    left_out = set(damaged)
    sound = np.array([row for row, name in enumerate(rows.names) if name not in left_out], np.int64)
    all_images = encoded_split(rows, sound, None if labels is None else labels[sound])
    return _contents(_held_out(path, all_images), EVERY_FIFTH, damaged)


@dataclass(frozen=True)
class _Group:
    first: int  # row
    images: Any  # an Arrow array of bytes in one or several chunks, or (N, …) uint8


class Rows:
    """The rows of a Parquet file, loaded by groups. Threads may read side by side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = pa.parquet.ParquetFile(path)
        schema = self._file.schema_arrow
        if "image" not in schema.names:
            raise DamagedFileError(f"{path}: found columns {', '.join(schema.names)}, expected one named image")
        self._type = schema.field("image").type
        self.holds_arrays = isinstance(self._type, pa.FixedShapeTensorType)
        self._expect_images()
        metadata = self._file.metadata
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._ends = np.cumsum(counts)
        self.names = [f"row {row}" for row in range(metadata.num_rows)]
        self._lock = threading.Lock()
        self._group = functools.lru_cache(GROUPS_KEPT)(self._load)

    def _expect_images(self) -> None:
        kind = self._type
        encoded = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        if self.holds_arrays:
            shape = tuple(kind.shape)
            fits = kind.value_type == pa.uint8() and (
                len(shape) == 2 or (len(shape) == 3 and {1, 3} & {shape[0], shape[2]})
            )
        else:
            fits = pa.types.is_binary(encoded) or pa.types.is_large_binary(encoded)
        if not fits:
            raise DamagedFileError(
                f"{self.path}: column image is {kind}, expected encoded images as binary, a struct with a field bytes, "
                "or a fixed-shape tensor of uint8"
            )

    def labels(self) -> npt.NDArray[Any] | None:
        """Return the column `label`, or None if there is none."""
        if "label" not in self._file.schema_arrow.names:
            return None
        column = self._file.read(["label"]).column("label")
        if column.null_count or not pa.types.is_integer(column.type):
            empty = f" with {column.null_count:,} empty rows" if column.null_count else ""
            raise DamagedFileError(
                f"{self.path}: column label is {column.type}{empty}, expected an integer in each row"
            )
        return np.asarray(column.to_numpy())

    def content(self, index: int) -> bytes:
        """Return the encoded bytes in a row."""
        group = self._group_of(index)
        value = group.images[index - group.first].as_py()
        if not value:
            raise UnreadableImageError("the row is empty")
        return bytes(value)

    def picture(self, index: int) -> Picture:
        """Return the pixels in a row of a column of arrays."""
        group = self._group_of(index)
        pixels: Picture = group.images[index - group.first]
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
            pixels = np.moveaxis(pixels, 0, -1)
        return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels

    def _group_of(self, row: int) -> _Group:
        with self._lock:
            return self._group(int(np.searchsorted(self._ends, row, side="right")))

    def _load(self, group: int) -> _Group:
        first = int(self._ends[group - 1]) if group else 0
        try:
            column = self._file.read_row_group(group, columns=["image"]).column("image").combine_chunks()
            if self.holds_arrays:
                return _Group(first, _pixels(column))
        except (pa.ArrowException, OSError) as error:
            raise DamagedFileError(
                f"{self.path}: row group {group} cannot be read ({_one_line(error)}); get the file again, or write it "
                "with smaller row groups and an image in each row"
            ) from error
        return _Group(first, pa.compute.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column)


def _pixels(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return the values (N, …) of a column of tensors; Arrow keeps a large column in several chunks."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([chunk.to_numpy_ndarray() for chunk in chunks])
