"""Image files: uint8 pixels in Arrow IPC, memory-mapped when read.

Column `image` is a fixed-shape tensor of uint8 pixels (C, H, W), 0..255; further columns hold one value an image
(label, latent seed, …). Schema metadata carries facts such as the split and the transform, as texts.
Source of the format: Arrow's canonical extension type `arrow.fixed_shape_tensor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Pixels = npt.NDArray[np.uint8]  # (N, C, H, W), 0..255
Column = npt.NDArray[Any]  # (N,)

ROWS_PER_BATCH = 65_536  # one batch up to here, so that reading it back is a view of the file and no copy


@dataclass(frozen=True)
class ImageFile:
    """An opened image file. `pixels` is a read-only view of the file where it is one batch."""

    pixels: Pixels  # (N, C, H, W) uint8
    columns: dict[str, Column]  # (N,) each
    metadata: dict[str, str]

    def __len__(self) -> int:
        return len(self.pixels)


def write_images(path: Path, pixels: Pixels, columns: Mapping[str, Column], metadata: Mapping[str, str]) -> None:
    """Write images (N, C, H, W) uint8 and their columns (N,)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise ValueError(f"{path}: found {pixels.dtype} pixels of shape {pixels.shape}, expected uint8 (N, C, H, W)")
    for name, column in columns.items():
        if len(column) != len(pixels):
            raise ValueError(f"{path}: found {len(column)} values of {name!r}, expected {len(pixels)}, one an image")
    types: list[Any] = [("image", pa.fixed_shape_tensor(pa.uint8(), pixels.shape[1:]))]
    types += [(name, pa.from_numpy_dtype(column.dtype)) for name, column in columns.items()]
    schema = pa.schema(types, metadata={key: str(value) for key, value in metadata.items()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(pixels), ROWS_PER_BATCH):
            rows = slice(start, start + ROWS_PER_BATCH)
            arrays = [_tensors(pixels[rows]), *(pa.array(column[rows]) for column in columns.values())]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _tensors(pixels: Pixels) -> pa.Array:
    # Not FixedShapeTensorArray.from_numpy_ndarray: it takes one channel's arbitrary stride for a permuted layout.
    size = int(np.prod(pixels.shape[1:]))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), size)
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.uint8(), pixels.shape[1:]), storage)


def read_images(path: Path) -> ImageFile:
    """Open an image file through a memory map."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not a whole Arrow file ({error}); materialize it again") from error
    image_type = table.schema.field("image").type
    chunks = [chunk.to_numpy_ndarray() for chunk in table.column("image").chunks]
    if not chunks:
        chunks = [np.empty((0, *image_type.shape), np.uint8)]
    pixels = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    columns = {name: table.column(name).to_numpy() for name in table.column_names if name != "image"}
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return ImageFile(pixels, columns, metadata)
