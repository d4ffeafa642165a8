"""CelebA's lists: the attributes of each photograph and the official partition, as the authors publish them.

In: `list_attr_celeba.txt` (a line with the count, a line with the names, then one line per image: file name, and 1 or
-1 for each name) and `list_eval_partition.txt` (file name, and 0 train, 1 validation, 2 test). Out: rows by the file
name without its suffix, so that they fit the PNG edition too. A malformed line is an error with its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.raw.idx import DamagedFileError

ATTRIBUTES_FILE = "list_attr_celeba.txt"
PARTITION_FILE = "list_eval_partition.txt"
TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class ImageList:
    """The rows of a list, one per image."""

    path: Path
    rows: dict[str, int]  # index into `values` by `stem` of the file name
    values: npt.NDArray[np.uint8]  # (N, K) 0 or 1 for attributes, (N,) for the partition
    columns: tuple[str, ...] = ()  # names of the K attributes


def stem(name: str) -> str:
    """Return the part of a file name that the lists and the archive share."""
    return PurePosixPath(name).stem


def read_attributes(path: Path) -> ImageList:
    """Read the attributes: `values` is (N, K), 1 where the image has the attribute."""
    lines = _lines(path)
    announced, columns = lines[0].strip() if lines else "", tuple(lines[1].split()) if len(lines) > 1 else ()
    if not announced.isdecimal() or not columns:
        raise DamagedFileError(
            f"{path}: found {announced[:40]!r} in line 1, expected the count of images, then a line with the names of "
            "the attributes; get the file again"
        )
    rows: dict[str, int] = {}
    digits: list[str] = []
    for number, line in enumerate(lines[2:], 3):
        name, _, signs = line.partition(" ")
        rows[stem(name)] = len(digits)
        digits.append(_digits(path, number, signs, len(columns)))
    if len(digits) != int(announced):
        raise DamagedFileError(
            f"{path}: found {len(digits):,} images, but its first line announces {int(announced):,}; it was cut off or "
            "edited: get the file again"
        )
    values = np.frombuffer("".join(digits).encode(), np.uint8).reshape(-1, len(columns)) - ord("0")
    return ImageList(path, rows, values, columns)


def _digits(path: Path, number: int, signs: str, count: int) -> str:
    """Return a row of "1" and "-1" as a text of "1" and "0"."""
    fields = signs.replace("-1", "0").split()
    digits = "".join(fields)
    if len(fields) != count or len(digits) != count or not set(digits) <= {"0", "1"} or "0" in signs:
        raise DamagedFileError(
            f"{path}: line {number} is {signs.strip()[:40]!r} after the file name, expected {count} values, each 1 or "
            "-1; get the file again"
        )
    return digits


def read_partition(path: Path) -> ImageList:
    """Read the official partition: `values` is (N,), `TRAIN`, `VALIDATION` or `TEST`."""
    rows: dict[str, int] = {}
    values: list[int] = []
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in ("0", "1", "2"):
            raise DamagedFileError(
                f"{path}: line {number} is {line.strip()[:40]!r}, expected a file name and 0 (train), 1 (validation) "
                "or 2 (test); get the file again"
            )
        rows[stem(fields[0])] = len(values)
        values.append(int(fields[1]))
    return ImageList(path, rows, np.array(values, np.uint8))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DamagedFileError(
            f"{path}: found bytes that are no text ({error}), expected a list; get it again"
        ) from error
