import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics.features import NotFiniteError
from pipeline.metrics.moments import BLOCK, Moments, RunningMoments, fit_moments

ROWS = 2 * BLOCK + 37


def features(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    spread = np.random.default_rng(9).standard_normal((7, 7))
    return np.random.default_rng(seed).standard_normal((rows, 7)) @ spread + 3


def running(values: np.ndarray, batch: int = ROWS) -> RunningMoments:
    moments = RunningMoments(values.shape[1])
    for start in range(0, len(values), batch):
        moments.add(values[start : start + batch])
    return moments


def same(one: Moments, other: Moments) -> bool:
    return (
        one.count == other.count
        and np.array_equal(one.mean, other.mean)
        and np.array_equal(one.covariance, other.covariance)
    )


def close(one: Moments, other: Moments) -> bool:
    return (
        one.count == other.count
        and np.allclose(one.mean, other.mean, rtol=1e-13, atol=1e-13)
        and np.allclose(one.covariance, other.covariance, rtol=1e-13, atol=1e-13)
    )


def test_they_are_numpys_mean_and_covariance() -> None:
    values, moments = features(), fit_moments(features())
    assert moments.count == ROWS
    assert np.allclose(moments.mean, values.mean(axis=0), rtol=1e-13)
    assert np.allclose(moments.covariance, np.cov(values, rowvar=False), rtol=1e-12)
    assert np.array_equal(moments.covariance, moments.covariance.T)


@pytest.mark.parametrize("batch", [1, 50, BLOCK, BLOCK + 1])
def test_any_batch_size_gives_the_same_bits(batch: int) -> None:
    assert same(running(features(), batch).moments(), fit_moments(features()))


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = features()[np.random.default_rng(1).permutation(ROWS)]
    assert close(fit_moments(shuffled), fit_moments(features()))


@pytest.mark.parametrize("first", [0, 1, 2, 700, ROWS - 1, ROWS])
def test_parts_merged_are_the_whole_in_either_order(first: int) -> None:
    for one, other in ((features()[:first], features()[first:]), (features()[first:], features()[:first])):
        merged = running(one)
        merged.merge(running(other))
        assert close(merged.moments(), fit_moments(features()))


def test_saved_moments_continue_as_if_uninterrupted(tmp_path: Path) -> None:
    begun = running(features()[:BLOCK])
    begun.save(tmp_path / "moments.safetensors")
    loaded = RunningMoments.load(tmp_path / "moments.safetensors")
    loaded.add(features()[BLOCK:])
    assert len(loaded) == ROWS
    assert same(loaded.moments(), fit_moments(features()))


def test_an_offset_a_thousand_times_the_spread_costs_no_digits() -> None:
    values = np.round(features() * 2**10) / 2**10  # so that adding the offset is exact
    shifted = fit_moments((values + 4096).astype(np.float32))
    assert np.array_equal((values + 4096).astype(np.float32), values + 4096)
    assert np.allclose(shifted.covariance, np.cov(values, rowvar=False), rtol=1e-11)


def test_reading_moments_twice_or_in_between_changes_nothing() -> None:
    moments = running(features())
    moments.moments()
    assert same(moments.moments(), fit_moments(features()))


def test_one_row_is_no_covariance() -> None:
    with pytest.raises(ValueError, match="found 1 images, expected at least 2 to fit a covariance"):
        fit_moments(np.zeros((1, 4)))


def test_wrong_shapes_and_nan_are_refused() -> None:
    moments = RunningMoments(4)
    with pytest.raises(ValueError, match=r"found a batch of shape \(3, 5\), expected \(N, 4\)"):
        moments.add(np.zeros((3, 5)))
    with pytest.raises(NotFiniteError, match="1 of 2 images"):
        moments.add(np.array([[1.0, 2, 3, 4], [1, 2, np.nan, 4]]))
    with pytest.raises(ValueError, match=r"found shape \(3,\)"):
        fit_moments(np.zeros(3))


def test_memory_is_two_matrices_and_a_block() -> None:
    dimensions = 700
    rows = np.random.default_rng(0).standard_normal((2000, dimensions)).astype(np.float32)
    tracemalloc.start()
    moments = RunningMoments(dimensions)
    for start in range(0, 2000, 100):
        moments.add(rows[start : start + 100])
    result = moments.moments()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.allclose(result.covariance, np.cov(rows.astype(np.float64), rowvar=False))
    assert peak_bytes < (2.2 * dimensions**2 + 1.1 * BLOCK * dimensions) * 8
