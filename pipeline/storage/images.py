"""Image files: uint8 pixels in Arrow IPC, memory-mapped when read.

Column `image` is a fixed-shape tensor of uint8 pixels (C, H, W), 0..255. Further columns hold one value per image
(label, latent seed, …) or one row of values per image (attributes). Schema metadata carries facts such as the split and
the transform, as texts. A file of any size is one record batch, so reading it gives a view and no copy.
Source of the format: Arrow's canonical extension type `arrow.fixed_shape_tensor`.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Pixels = npt.NDArray[np.uint8]  # (N, C, H, W), 0..255
Column = npt.NDArray[Any]  # (N,) or (N, K)

PIECE_BYTES = 1 << 20

# 200,000 images of 64x64 RGB are 2.5e9 values; Arrow's IPC writes arrays longer than 2^31 - 1 only with this option.
WRITE_OPTIONS = pa.ipc.IpcWriteOptions(allow_64bit=True)


@dataclass(frozen=True)
class ImageFile:
    """An opened image file. `pixels` is a read-only view of the file where it is one batch."""

    pixels: Pixels  # (N, C, H, W) uint8
    columns: dict[str, Column]  # (N,) or (N, K) each
    metadata: dict[str, str]

    def __len__(self) -> int:
        return len(self.pixels)


def write_images(path: Path, pixels: Pixels, columns: Mapping[str, Column], metadata: Mapping[str, str]) -> None:
    """Write images (N, C, H, W) uint8 and their columns (N,) or (N, K)."""
    with pa.OSFile(str(path), "wb") as sink:
        _write(path, sink, pixels, columns, metadata)


def write_images_from_file(
    path: Path,
    pixel_file: Path,
    shape: tuple[int, ...],
    columns: Mapping[str, Column],
    metadata: Mapping[str, str],
) -> None:
    """Write images (N, C, H, W) from a file of their pixels, in constant memory for any number of images."""
    with pixel_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        with _InPieces(path, after_piece=lambda: mapped.madvise(mmap.MADV_DONTNEED)) as sink:
            pixels = np.frombuffer(mapped, np.uint8).reshape(shape)
            _write(path, pa.PythonFile(sink, "w"), pixels, columns, metadata)
        del pixels  # the mapping cannot be closed under a view of it


class _InPieces(io.RawIOBase):
    """A file that is written in small pieces. After each piece, the source's written pages can be released."""

    def __init__(self, path: Path, after_piece: Callable[[], None]) -> None:
        self._file = path.open("wb")
        self._after_piece = after_piece
        self._position = 0  # kept here: Arrow calls `tell` before every piece

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        for start in range(0, len(view), PIECE_BYTES):
            self._file.write(view[start : start + PIECE_BYTES])
            if len(view) > PIECE_BYTES:
                self._after_piece()
        self._position += len(view)
        return len(view)

    def close(self) -> None:
        self._file.close()
        super().close()


def _write(path: Path, sink: Any, pixels: Pixels, columns: Mapping[str, Column], metadata: Mapping[str, str]) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise ValueError(f"{path}: found {pixels.dtype} pixels of shape {pixels.shape}, expected uint8 (N, C, H, W)")
    for name, column in columns.items():
        if len(column) != len(pixels):
            raise ValueError(f"{path}: found {len(column)} values of {name!r}, expected {len(pixels)}, one per image")
    arrays = {"image": _tensors(pixels)} | {name: _column(column) for name, column in columns.items()}
    texts = {key: str(value) for key, value in metadata.items()}
    schema = pa.schema([(name, array.type) for name, array in arrays.items()], metadata=texts)
    with pa.ipc.new_file(sink, schema, options=WRITE_OPTIONS) as writer:
        writer.write_batch(pa.record_batch(list(arrays.values()), schema=schema))


def _tensors(pixels: Pixels) -> pa.Array:
    # Not FixedShapeTensorArray.from_numpy_ndarray: it takes one channel's arbitrary stride for a permuted layout.
    size = int(np.prod(pixels.shape[1:]))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), size)
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.uint8(), pixels.shape[1:]), storage)


def _column(column: Column) -> pa.Array:
    """Return an Arrow array: (N,) → values, (N, K) → lists of K values."""
    if column.ndim == 1:
        return pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])


def read_images(path: Path) -> ImageFile:
    """Open an image file through a memory map and return it."""
    return _opened(path, pa.memory_map(str(path)))


def read_in_blocks(path: Path, images_at_once: int) -> Iterator[Pixels]:
    """Yield all pixels of a file in blocks (n, C, H, W) uint8 that are views of the file.

    Memory stays constant: pages are released after each block.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed when the last view of it is gone
    opened = _opened(path, pa.BufferReader(pa.py_buffer(mapped)))
    for start in range(0, len(opened), images_at_once):
        yield opened.pixels[start : start + images_at_once]
        mapped.madvise(mmap.MADV_DONTNEED)


def _opened(path: Path, source: Any) -> ImageFile:
    try:
        table = pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not a whole Arrow file ({error}); materialize it again") from error
    image_type = table.schema.field("image").type
    chunks = [chunk.to_numpy_ndarray() for chunk in table.column("image").chunks]
    if not chunks:
        chunks = [np.empty((0, *image_type.shape), np.uint8)]
    pixels = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    columns = {name: _values(table.column(name)) for name in table.column_names if name != "image"}
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return ImageFile(pixels, columns, metadata)


def _values(column: pa.ChunkedArray) -> Column:
    """Return the values (N,) or (N, K) of a column that `_column` made."""
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy())
    flat = [chunk.flatten().to_numpy() for chunk in column.chunks]
    values = (
        flat[0] if len(flat) == 1 else np.concatenate([np.empty(0, column.type.value_type.to_pandas_dtype()), *flat])
    )
    return values.reshape(-1, column.type.list_size)
