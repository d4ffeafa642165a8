"""Feature files: arrays that other programs computed, read without copies and checked once.

In: `.npy` files of features, probabilities or logits, (N, values) of any float type, memory-mapped; `.npz` files with
`mu` and `sigma`, the form in which TTUR and pytorch-fid publish statistics of real images. Out: float32 or float64
matrices, or `Moments`. No pickle is ever loaded.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.features import Matrix, NotFiniteError, expect_finite_rows
from pipeline.metrics.moments import Moments
from pipeline.storage.artefact import verified_file

NPY_MAGIC = b"\x93NUMPY"
STATISTICS = ("mu", "sigma")
UNKNOWN_COUNT = 0  # statistics have no number of images
ASYMMETRY = 1e-4  # share of the largest entry that float32 rounding may leave in a covariance
LEAST_ROWS = 2  # a covariance divides by N - 1
UNREADABLE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError, NotImplementedError)


def read_features(path: Path, kind: str = "features") -> Matrix:
    """Return the finite matrix (N, D) in a `.npy` file as float32 or float64, memory-mapped if possible.

    Raises one sentence (`ValueError`, `FileNotFoundError`) for anything else, which calls the values `kind`.
    """
    values = read_npy(path)
    if values.ndim != 2 or values.dtype.kind != "f" or 0 in values.shape:
        raise ValueError(
            f"{path}: found {values.dtype} of shape {values.shape}, expected {kind} (N, values) of a float type, one "
            f"row per image{_advice(values)}"
        )
    if len(values) < LEAST_ROWS:
        raise ValueError(f"{path}: found {len(values)} row of {kind}, expected at least {LEAST_ROWS} images")
    values = _plain(values)
    try:
        expect_finite_rows(str(path), values)
    except NotFiniteError as error:
        raise NotFiniteError(
            f"{error}, expected finite {kind}; compute them again, or leave these images out"
        ) from None
    return values


def read_npy(path: Path) -> npt.NDArray[Any]:
    """Return the array in a `.npy` file, memory-mapped."""
    expect_file(path)
    with verified_file(path).open("rb") as file:
        head = file.read(len(NPY_MAGIC))
    if head != NPY_MAGIC:
        raise ValueError(f"{path}: begins with 0x{head[:4].hex()}, expected an array saved by numpy.save")
    array: npt.NDArray[Any] = _load(path, lambda: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)))
    return array


def names_in_npz(path: Path) -> list[str]:
    """Return the names of the arrays in a `.npz` file."""
    expect_file(path)
    verified_file(path)

    def load() -> list[str]:
        with zipfile.ZipFile(path) as archive:  # its errors name the damage; those of numpy.load mention pickles
            return [name.removesuffix(".npy") for name in archive.namelist()]

    names: list[str] = _load(path, load)
    return names


def read_npz(path: Path, names: Sequence[str]) -> list[npt.NDArray[Any]]:
    """Return the arrays of these names in a `.npz` file; no other array is read."""

    def load() -> list[npt.NDArray[Any]]:
        with np.load(path, allow_pickle=False) as stored:
            return [np.asarray(stored[name]) for name in names]

    arrays: list[npt.NDArray[Any]] = _load(path, load)
    return arrays


def holds_statistics(path: Path) -> bool:
    """Return whether a file is an `.npz` with mean and covariance in place of images or features."""
    return path.suffix.lower() == ".npz" and path.is_file() and set(STATISTICS) <= set(names_in_npz(path))


def read_statistics(path: Path) -> Moments:
    """Return mean `mu` (D,) and covariance `sigma` (D, D) of an `.npz`, with 0 as the unknown number of images."""
    names = names_in_npz(path)
    if not set(STATISTICS) <= set(names):
        raise ValueError(f"{path}: found {', '.join(names) or 'no array'} in it, expected arrays mu and sigma")
    mean, covariance = read_npz(path, STATISTICS)
    numbers = mean.dtype.kind == covariance.dtype.kind == "f"
    if not numbers or mean.ndim != 1 or not mean.size or covariance.shape != (mean.size, mean.size):
        raise ValueError(
            f"{path}: found mu {mean.dtype} {mean.shape} and sigma {covariance.dtype} {covariance.shape}, expected "
            "floats (D,) and (D, D)"
        )
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise NotFiniteError(
            f"{path}: mu or sigma has NaN or infinite values, expected finite ones; compute them again"
        )
    if (
        np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max()
        or covariance.diagonal().min() < 0
    ):
        raise ValueError(
            f"{path}: sigma is not symmetric or has negative variances, expected a covariance; compute it again"
        )
    return Moments(UNKNOWN_COUNT, mean, (covariance + covariance.T) / 2)


def expect_file(path: Path) -> None:
    """Raise `FileNotFoundError` if the path is no file."""
    if not path.is_file():
        content = "a folder" if path.is_dir() else "nothing"
        raise FileNotFoundError(f"{path}: found {content} there, expected a file")


def _load(path: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except UNREADABLE as error:
        text = " ".join(str(error).split())
        raise ValueError(
            f"{path}: cannot be read ({text}), expected numbers saved by numpy.save or numpy.savez, no Python objects"
        ) from error


def _plain(values: npt.NDArray[Any]) -> Matrix:
    """Convert floats of any size and byte order to native float32 or float64, without loss up to float64."""
    if values.dtype in (np.float32, np.float64) and values.dtype.isnative:
        return values
    plain: Matrix = values.astype(np.float32 if values.dtype.itemsize < 8 else np.float64)
    return plain


def _advice(values: npt.NDArray[Any]) -> str:
    if values.dtype.kind in "iub" and values.ndim == 2:
        return "; convert whole numbers with .astype(numpy.float32)"
    if values.ndim == 1:
        return "; one feature per image is .reshape(-1, 1)"
    return ""
