from itertools import pairwise

import numpy as np
import pytest

from pipeline.metrics import kernel_distance as module
from pipeline.metrics.features import Features
from pipeline.metrics.kernel_distance import METRIC, kernel_distance
from pipeline.metrics.metric import RealFeatures
from tests.pipeline.metrics.computing import compute


def photographs(count: int, seed: int, shift: float = 0.0, width: int = 24) -> np.ndarray:
    """(N, D) features as an extractor gives them: at least 0, some directions wider than others."""
    mixing = np.random.default_rng(99).standard_normal((width, width)) * (np.arange(1, width + 1) ** -0.5)[:, None]
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    return np.maximum(0.4 * drawn @ mixing + 0.3 + shift, 0)


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        kernels: np.ndarray = (a @ b.T / a.shape[1] + 1) ** 3
        return kernels

    def others(a: np.ndarray) -> float:
        table = kernel(a, a)
        return float(table[~np.eye(len(a), dtype=bool)].mean())

    x, y = x.astype(np.float64), y.astype(np.float64)
    return others(x) + others(y) - 2 * float(kernel(x, y).mean())


@pytest.mark.parametrize("counts", [(4, 4), (100, 100), (700, 90)])
def test_it_is_the_unbiased_definition_over_all_pairs(counts: tuple[int, int]) -> None:
    x, y = photographs(counts[0], 1), photographs(counts[1], 2, shift=0.1)
    assert kernel_distance(x, y).value == pytest.approx(by_definition(x, y), rel=1e-12)


def test_a_pair_worked_out_by_hand() -> None:
    zeros, ones = np.zeros((4, 2)), np.ones((5, 2))
    distance = kernel_distance(zeros, ones)  # k(0, 0) = 1, k(1, 1) = 8, k(0, 1) = 1
    assert distance.value == pytest.approx(1 + 8 - 2)
    assert distance.standard_error == pytest.approx(0, abs=1e-6)  # no image differs from another of its set


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_float32_products_keep_seven_digits(monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    x = photographs(900, 1, width=256).astype(np.float32) + np.float32(offset)
    y = photographs(800, 2, shift=0.02, width=256).astype(np.float32) + np.float32(offset)
    monkeypatch.setattr(module, "FLOAT64_PRODUCTS", 0)
    # Half a unit of the seventh digit is 2.1e-7 here. BLAS adds up differently with one thread: 1.1e-7 off, else less.
    assert kernel_distance(x, y).value == pytest.approx(by_definition(x, y), rel=2e-7)


@pytest.mark.parametrize("magnitude", [1e-15, 1e15])
def test_float32_products_neither_overflow_nor_vanish(monkeypatch: pytest.MonkeyPatch, magnitude: float) -> None:
    x, y = magnitude * photographs(50, 1), magnitude * photographs(50, 2, shift=1)
    exact = kernel_distance(x, y)
    monkeypatch.setattr(module, "FLOAT64_PRODUCTS", 0)
    rounded = kernel_distance(x, y)
    assert rounded.value == pytest.approx(exact.value, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize("float64_products", [0, 3e10])
def test_neither_block_size_nor_order_of_rows_or_sets_matters(
    monkeypatch: pytest.MonkeyPatch, float64_products: float
) -> None:
    monkeypatch.setattr(module, "FLOAT64_PRODUCTS", float64_products)
    x, y = photographs(130, 1), photographs(70, 2, shift=0.1)
    expected = kernel_distance(x, y)
    shuffled = kernel_distance(x[np.random.default_rng(0).permutation(130)], y[::-1])
    monkeypatch.setattr(module, "BLOCK_ROWS", 37)
    tolerance = 1e-6 if float64_products == 0 else 1e-10
    for other in (shuffled, kernel_distance(x, y), kernel_distance(y, x)):
        assert other.value == pytest.approx(expected.value, rel=tolerance)
        assert other.standard_error == pytest.approx(expected.standard_error, rel=tolerance)


def test_equal_distributions_score_zero_on_average() -> None:
    scores = [kernel_distance(photographs(40, seed), photographs(40, 1000 + seed)).value for seed in range(300)]
    assert abs(np.mean(scores)) < 3 * np.std(scores) / 300**0.5
    assert min(scores) < 0  # which an estimate that counts pairs of an image with itself never is


def test_the_further_apart_the_larger() -> None:
    real = photographs(300, 1)
    scores = [kernel_distance(photographs(300, 2, shift), real).value for shift in (0, 0.05, 0.1, 0.3, 1)]
    assert all(nearer < farther for nearer, farther in pairwise(scores))


def variance_by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the unbiased variances from centred tables instead of from sums."""

    def table(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        kernels: np.ndarray = (a @ b.T / a.shape[1] + 1) ** 3
        return kernels

    def of_pairs(own: np.ndarray) -> float:
        n = len(own)
        own = np.where(np.eye(n, dtype=bool), 0, own)
        rows = own.sum(axis=1)
        centred = own - rows[:, None] / (n - 2) - rows / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
        return float((centred[~np.eye(n, dtype=bool)] ** 2).sum() / (n * (n - 3)))

    def of_single(own: np.ndarray, cross: np.ndarray, across: float) -> float:
        n, m = cross.shape
        witness = (own.sum(axis=1) - np.diag(own)) / (n - 2) - cross.mean(axis=1)
        return float(np.var(witness, ddof=1) - of_pairs(own) / (n - 2) - across / m)

    n, m, cross = len(x), len(y), table(x, y)
    residual = cross - cross.mean(axis=1, keepdims=True) - cross.mean(axis=0) + cross.mean()
    across = float((residual**2).sum() / ((n - 1) * (m - 1)))
    xx, yy = table(x, x), table(y, y)
    single = 4 / n * of_single(xx, cross, across) + 4 / m * of_single(yy, cross.T, across)
    return single + 2 * of_pairs(xx) / (n * (n - 1)) + 2 * of_pairs(yy) / (m * (m - 1)) + 4 * across / (n * m)


def test_the_variance_from_sums_is_that_from_centred_tables() -> None:
    x, y = photographs(60, 1), photographs(45, 2, shift=0.3)
    error = kernel_distance(x, y).standard_error
    assert error**2 == pytest.approx(variance_by_definition(x, y), rel=1e-9)


# Different distributions, equal ones (only the effects of pairs remain), unequal counts.
SETTINGS = [(200, 200, 0.3), (200, 200, 0.0), (300, 100, 0.1)]


def deviation_and_mean_error(counts: tuple[int, int], shift: float, draws: int) -> tuple[float, float]:
    pairs = ((photographs(counts[0], 2 * seed, shift), photographs(counts[1], 2 * seed + 1)) for seed in range(draws))
    distances = [kernel_distance(x, y) for x, y in pairs]
    errors = [distance.standard_error for distance in distances]
    return float(np.std([distance.value for distance in distances], ddof=1)), float(np.mean(errors))


@pytest.mark.parametrize(("first", "second", "shift"), SETTINGS)
def test_the_standard_error_is_the_deviation_between_draws_roughly(first: int, second: int, shift: float) -> None:
    deviation, error = deviation_and_mean_error((first // 4, second // 4), shift, 300)
    assert error == pytest.approx(deviation, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "shift"), SETTINGS)
def test_the_standard_error_is_the_deviation_between_draws(first: int, second: int, shift: float) -> None:
    deviation, error = deviation_and_mean_error((first, second), shift, 1500)
    assert error == pytest.approx(deviation, rel=0.1)


def test_too_few_images_and_unequal_widths_are_errors() -> None:
    with pytest.raises(ValueError, match="found 3 and 10 images, expected at least 4"):
        kernel_distance(np.ones((3, 2)), np.ones((10, 2)))
    with pytest.raises(ValueError, match=r"\(5, 2\) and \(5, 3\)"):
        kernel_distance(np.ones((5, 2)), np.ones((5, 3)))


def test_the_metric_gives_the_distance_with_its_error() -> None:
    judged, test = Features(photographs(50, 1)), Features(photographs(60, 2, shift=0.1))
    expected = kernel_distance(judged.features, test.features)
    scores = compute(METRIC, judged, RealFeatures(test))
    assert (scores["kid"].value, scores["kid"].standard_error) == (expected.value, expected.standard_error)
    assert [(score.name, score.better) for score in METRIC.scores] == [("kid", "lower")]
