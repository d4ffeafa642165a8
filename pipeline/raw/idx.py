"""IDX: the format MNIST and Fashion-MNIST are published in, read and written with every claim of the header checked.

Source: "THE IDX FILE FORMAT" on Y. LeCun's MNIST page. Big-endian: two zero bytes, a type code (0x08 = uint8), the
number of dimensions, each dimension as 4 bytes, then the values, last dimension fastest.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

UINT8_TYPE_CODE = 0x08


class DamagedFileError(ValueError):
    """A file is damaged or of another kind; the message names the file, its content and the expected content."""


def decompressed(path: Path, name: str = "") -> bytes:
    """Return a file's content, decompressed if it is gzip; a cut or damaged stream raises `DamagedFileError`.

    The error names the file `name`, or its path.
    """
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFileError(f"{name or path}: damaged gzip file ({error}); get the file again") from error


def parse_idx(content: bytes, dimensions: int, name: str) -> npt.NDArray[np.uint8]:
    """Return IDX bytes as a read-only array. Magic number, type, number of dimensions and length are checked."""
    header_bytes = 4 + 4 * dimensions
    expected_magic = bytes((0, 0, UINT8_TYPE_CODE, dimensions))
    if content[:4] != expected_magic:
        raise DamagedFileError(
            f"{name}: found magic number 0x{content[:4].hex() or '(empty file)'}, expected 0x{expected_magic.hex()} "
            f"(IDX, uint8, {dimensions} dimensions); the file is not IDX or was damaged"
        )
    if len(content) < header_bytes:
        raise DamagedFileError(
            f"{name}: found {len(content)} bytes, expected a header of {header_bytes}; it is cut off"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header_bytes])
    expected_bytes = header_bytes + math.prod(shape)
    if len(content) != expected_bytes:
        raise DamagedFileError(
            f"{name}: found {len(content)} bytes, expected {expected_bytes} for the dimensions "
            f"{' x '.join(map(str, shape))} in its header; it was cut off or extended"
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def encode_idx(values: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes that `parse_idx` reads as these values."""
    header = bytes((0, 0, UINT8_TYPE_CODE, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + np.ascontiguousarray(values).tobytes()
