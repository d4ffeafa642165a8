"""Image sets: the images of a folder or file that any program wrote, opened for scoring and read one at a time.

In: a folder of images (and what lies below it), a zip of one, `.npy` or `.npz` of uint8 images (N, H, W), (N, H, W, C)
or (N, C, H, W), Arrow as this project writes samples and tensors, or Parquet with a column `image` of encoded bytes
(as Hugging Face writes it) or of pixels. Out: `ImageSet` with pictures (H, W) or (H, W, 3) uint8, decoded when read.
This module runs no network and loads no pickle.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from pipeline.metrics.standalone.feature_files import names_in_npz, read_npy, read_npz
from pipeline.raw.archive import IMAGE_SUFFIXES, Archive, is_image_name
from pipeline.raw.array_layouts import Rows
from pipeline.raw.contents import Picture, RawSplit, UnreadableImageError
from pipeline.raw.picture import decode
from pipeline.raw.picture_layouts import encoded_split
from pipeline.storage.artefact import verified_file
from pipeline.storage.images import read_images

EXPECTED = "a folder or .zip of images, or a .npz, .npy, .arrow or .parquet file of them"
NPZ_NAMES = ("images", "arr_0")  # our name, and the name of numpy.savez for an array without one
CONVERSION = (
    "convert images in [-1, 1] with numpy.round((x + 1) * 127.5).clip(0, 255).astype(numpy.uint8), in [0, 1] with "
    "numpy.round(x * 255)"
)


@dataclass(frozen=True)
class ImageSet:
    """Images that are scored together."""

    path: Path
    images: RawSplit
    notes: tuple[str, ...] = ()  # facts that a reader of their scores needs

    def __len__(self) -> int:
        return len(self.images)


def open_images(path: Path) -> ImageSet:
    """Open the images at a path without decoding one. Raise one sentence if there are none."""
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file or folder, expected {EXPECTED}")
    if path.suffix.lower() not in OPENERS:
        raise ValueError(f"{path}: found a file of another kind, expected {EXPECTED}")
    images = OPENERS[path.suffix.lower()](verified_file(path))
    if not len(images):
        raise ValueError(f"{path}: found no image in it, expected at least 2")
    return images


def _folder(folder: Path) -> ImageSet:
    below = os.walk(folder, onerror=_fail)
    files = sorted(Path(base, name).relative_to(folder).as_posix() for base, _, names in below for name in names)
    names = [name for name in files if is_image_name(name)]
    if not names:
        content = f"{len(files):,} other files (such as {files[0]})" if files else "it empty"
        raise ValueError(f"{folder}: found {content}, expected files that end in {', '.join(IMAGE_SUFFIXES)}")

    def read(index: int) -> Picture:
        path = folder / names[index]
        try:
            return decode(path.read_bytes(), str(path))
        except OSError as error:
            raise UnreadableImageError(error.strerror or str(error)) from error

    return ImageSet(folder, RawSplit(names, None, read), _note_on_other_files(folder, files, names))


def _fail(error: OSError) -> None:
    """Raise the error: a folder that cannot be listed must not make the set smaller silently."""
    raise error


def _note_on_other_files(folder: Path, files: Sequence[str], images: Sequence[str]) -> tuple[str, ...]:
    """Return a note if a folder holds files besides images; hidden files need none."""
    image_names = set(images)
    others = [name for name in files if name not in image_names and not name.rpartition("/")[2].startswith(".")]
    if not others:
        return ()
    return (f"{folder}: {len(others):,} files that are no images by their names are passed over, such as {others[0]}",)


def _zip(path: Path) -> ImageSet:
    archive = Archive(path)
    return ImageSet(path, encoded_split(archive, np.arange(len(archive)), None))


# ---------------------------------------------------------------------------------------------------------------------
# Arrays


def _npy(path: Path) -> ImageSet:
    return _from_array(path, read_npy(path))


def _npz(path: Path) -> ImageSet:
    names = names_in_npz(path)
    expected = [name for name in NPZ_NAMES if name in names]
    if not expected and len(names) != 1:
        raise ValueError(f"{path}: found {', '.join(names) or 'no array'} in it, expected an array named images")
    (array,) = read_npz(path, (expected or names)[:1])
    return _from_array(path, array)


def _from_array(path: Path, array: npt.NDArray[Any]) -> ImageSet:
    channels_last = array.ndim == 4 and array.shape[3] in (1, 3)
    channels_first = array.ndim == 4 and not channels_last and array.shape[1] in (1, 3)
    if array.dtype != np.uint8 or not (array.ndim == 3 or channels_last or channels_first) or 0 in array.shape:
        raise ValueError(
            f"{path}: found {array.dtype} of shape {array.shape}, expected uint8 images (N, H, W), (N, H, W, C) or "
            f"(N, C, H, W) with 1 or 3 channels{_conversion(array)}"
        )
    pixels = np.moveaxis(array, 1, 3) if channels_first else array

    def read(index: int) -> Picture:
        picture: Picture = pixels[index]
        return picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture

    return ImageSet(path, RawSplit(_rows(len(array)), None, read))


def _conversion(array: npt.NDArray[Any]) -> str:
    if array.ndim == 2:
        return "; features (N, D) are scored with --features"
    return f"; {CONVERSION}" if array.dtype.kind == "f" else ""


def _rows(count: int) -> list[str]:
    return [f"image {index}" for index in range(count)]


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def _arrow(path: Path) -> ImageSet:
    try:
        schema = pa.ipc.open_file(pa.memory_map(str(path))).schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a whole Arrow file ({' '.join(str(error).split())}); write it again") from error
    kind = schema.field("image").type if "image" in schema.names else None
    if not isinstance(kind, pa.FixedShapeTensorType) or kind.value_type != pa.uint8() or len(kind.shape) != 3:
        columns = ", ".join(f"{field.name} {field.type}" for field in schema)
        raise ValueError(f"{path}: found columns {columns}, expected image, a (C, H, W) tensor of uint8")
    stored = read_images(path)
    images = _from_array(path, np.moveaxis(stored.pixels, 1, 3))
    members = len(np.unique(stored.columns["member"])) if "member" in stored.columns else 1
    note = f"{path}: images of {members} members, which are different networks, are scored as one set"
    return ImageSet(path, images.images, (note,) if members > 1 else ())


def _parquet(path: Path) -> ImageSet:
    try:
        pixels = _nested_lists(path)
        if pixels is not None:
            return _from_array(path, pixels)
        rows = Rows(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())}); get it again") from error
    if rows.holds_arrays:
        return ImageSet(path, RawSplit(rows.names, None, rows.picture))
    return ImageSet(path, encoded_split(rows, np.arange(len(rows.names)), None))


def _nested_lists(path: Path) -> npt.NDArray[Any] | None:
    """Return a column `image` of nested lists of fixed sizes, (H, W) or (H, W, C) of numbers, as one array.

    None for a column of another kind.
    """
    schema = pa.parquet.read_schema(path)
    kind = schema.field("image").type if "image" in schema.names else None
    sizes = []
    while kind is not None and pa.types.is_fixed_size_list(kind):
        sizes.append(kind.list_size)
        kind = kind.value_type
    if not sizes:
        return None
    column = pa.parquet.read_table(path, columns=["image"]).column("image")
    if column.null_count:
        raise ValueError(f"{path}: {column.null_count:,} rows of column image are empty, expected an image in each")
    for _ in sizes:
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    values: npt.NDArray[Any] = column.to_numpy().reshape(-1, *sizes)
    return values


OPENERS: dict[str, Callable[[Path], ImageSet]] = {
    ".zip": _zip,
    ".npy": _npy,
    ".npz": _npz,
    ".arrow": _arrow,
    ".parquet": _parquet,
}
