from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics.features import NotFiniteError
from pipeline.metrics.standalone.feature_files import holds_statistics, read_features, read_statistics

VALUES = np.random.default_rng(0).normal(size=(20, 3))


def saved(folder: Path, values: np.ndarray) -> Path:
    np.save(folder / "features.npy", values, allow_pickle=values.dtype == object)
    return folder / "features.npy"


@pytest.mark.parametrize("kept", ["<f4", "<f8"])
def test_native_floats_are_read_as_a_view_of_the_file(tmp_path: Path, kept: str) -> None:
    read = read_features(saved(tmp_path, VALUES.astype(kept)))
    assert isinstance(read.base, np.memmap)
    assert np.array_equal(read, VALUES.astype(kept))


@pytest.mark.parametrize(("stored", "read_as"), [("<f2", np.float32), (">f4", np.float64), (">f8", np.float64)])
def test_other_floats_become_native_ones_of_the_same_value(tmp_path: Path, stored: str, read_as: type) -> None:
    values = VALUES.astype(stored)
    read = read_features(saved(tmp_path, values))
    assert read.dtype in (np.float32, read_as)
    assert read.dtype.isnative
    assert np.array_equal(read, values.astype(np.float64))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (VALUES[0], r"found float64 of shape \(3,\), expected features \(N, values\).*reshape"),
        (VALUES[:1], "found 1 row of features, expected at least 2"),
        (VALUES[:0], r"found float64 of shape \(0, 3\)"),
        (VALUES.astype(np.int64), r"found int64 of shape \(20, 3\).*astype"),
        (VALUES.astype(complex), "found complex128"),
        (VALUES.astype(object), "without|no Python objects"),
    ],
)
def test_an_array_that_is_no_matrix_of_floats_is_one_sentence(tmp_path: Path, values: np.ndarray, message: str) -> None:
    path = saved(tmp_path, values)
    with pytest.raises(ValueError, match=message) as raised:
        read_features(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_array_of_python_objects_is_not_unpickled(tmp_path: Path) -> None:
    class Touching:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "touched",)  # type: ignore[return-value]

    path = saved(tmp_path, np.array([[Touching()]], object))
    with pytest.raises(ValueError, match="Python objects"):
        read_features(path)
    assert not (tmp_path / "touched").exists()


def test_rows_that_are_not_finite_are_counted_and_their_file_named(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[[2, 5], 1] = np.nan, np.inf
    with pytest.raises(NotFiniteError, match=r"features\.npy: 2 of 20 images have NaN or infinite values, expected"):
        read_features(saved(tmp_path, values))


def test_a_file_cut_short_or_of_another_kind_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, VALUES)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"features\.npy: cannot be read"):
        read_features(path)
    path.write_bytes(b"0.1,0.2\n")
    with pytest.raises(ValueError, match=r"begins with 0x302e312c, expected an array saved by numpy\.save"):
        read_features(path)
    with pytest.raises(FileNotFoundError, match="found nothing there"):
        read_features(tmp_path / "none.npy")
    with pytest.raises(FileNotFoundError, match="found a folder there"):
        read_features(tmp_path)


def test_published_statistics_are_read_beside_further_entries_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    sigma = np.cov(VALUES.T)
    np.savez(path, mu=VALUES.mean(axis=0), sigma=sigma, activations=VALUES)
    assert holds_statistics(path)
    moments = read_statistics(path)
    assert np.array_equal(moments.mean, VALUES.mean(axis=0))
    assert np.allclose(moments.covariance, sigma, rtol=1e-15)
    np.savez(path, images=VALUES)
    assert not holds_statistics(path)


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (np.zeros(3), np.eye(2), r"found mu float64 \(3,\) and sigma float64 \(2, 2\)"),
        (np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "sigma is not symmetric"),
        (np.zeros(2), -np.eye(2), "negative variances"),
        (np.array([np.nan, 0]), np.eye(2), "mu or sigma has NaN"),
    ],
)
def test_statistics_that_are_none_are_one_sentence(
    tmp_path: Path, mean: np.ndarray, covariance: np.ndarray, message: str
) -> None:
    np.savez(tmp_path / "stats.npz", mu=mean, sigma=covariance)
    with pytest.raises(ValueError, match=message):
        read_statistics(tmp_path / "stats.npz")
