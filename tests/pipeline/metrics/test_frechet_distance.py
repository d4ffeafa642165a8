import numpy as np
import pytest

from pipeline.metrics.features import NotFiniteError
from pipeline.metrics.frechet_distance import frechet_distance, frechet_distance_of_moments
from pipeline.metrics.moments import Moments, fit_moments


def gaussian(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(100, np.array(mean), np.array(covariance))


def sample(count: int, dimensions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions))


def of_moments(first: Moments, second: Moments) -> float:
    return frechet_distance_of_moments(first, second).value


def test_the_value_published_with_compare_gan() -> None:
    real, generated = np.ones((100, 2)), 9 * np.ones((100, 2))
    real[:50, 0], generated[50:, 0] = 2, 2
    assert frechet_distance(real, generated).value == pytest.approx(89.0909, abs=1e-4)
    assert of_moments(fit_moments(real), fit_moments(generated)) == pytest.approx(89.0909, abs=1e-4)


def test_a_set_is_at_distance_zero_from_itself() -> None:
    features = sample(200, 16, 0)
    assert frechet_distance(features, features).value == pytest.approx(0, abs=1e-12)
    assert of_moments(fit_moments(features), fit_moments(features)) == pytest.approx(0, abs=1e-12)


def test_equal_covariances_leave_only_the_squared_mean_difference() -> None:
    covariance = [[2.0, 0.5], [0.5, 1.0]]
    assert of_moments(gaussian([0, 0], covariance), gaussian([3, 4], covariance)) == pytest.approx(25, rel=1e-12)


def test_in_one_dimension_it_is_the_squared_differences_of_mean_and_deviation() -> None:
    assert of_moments(gaussian([1], [[4]]), gaussian([5], [[9]])) == pytest.approx(4**2 + (2 - 3) ** 2)


def test_commuting_covariances_have_the_closed_form() -> None:
    rotation = np.linalg.qr(sample(6, 6, 1))[0]
    first, second = np.arange(1.0, 7.0), np.array([0.0, 0.1, 5.0, 2.0, 0.0, 9.0])  # the second is singular
    one = Moments(9, np.zeros(6), rotation * first @ rotation.T)
    other = Moments(9, np.zeros(6), rotation * second @ rotation.T)
    expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert of_moments(one, other) == pytest.approx(expected, rel=1e-12)


def test_it_is_symmetric() -> None:
    one, other = sample(80, 10, 2), 3 * sample(90, 10, 3) + 1
    assert frechet_distance(one, other).value == pytest.approx(frechet_distance(other, one).value, rel=1e-12)


def test_collapsed_images_have_distance_mean_difference_plus_real_variance() -> None:
    real, constant = sample(100, 8, 4), np.full((100, 8), 0.5)
    expected = ((real.mean(axis=0) - 0.5) ** 2).sum() + real.var(axis=0, ddof=1).sum()
    score = frechet_distance(real, constant)
    assert score.value == pytest.approx(expected, rel=1e-12)
    assert score.rank == 0
    assert of_moments(fit_moments(real), fit_moments(constant)) == pytest.approx(expected, rel=1e-12)


def test_fewer_images_than_dimensions_stay_real_and_exact() -> None:
    one, other = sample(20, 64, 5), sample(25, 64, 6) + 0.3
    difference = one.mean(axis=0) - other.mean(axis=0)
    centred = [(values - values.mean(axis=0)) / np.sqrt(len(values) - 1) for values in (one, other)]
    overlap = np.linalg.norm(centred[0] @ centred[1].T, "nuc")  # Mathiasen & Hvilshøj 2020: no covariance is formed
    expected = difference @ difference + sum((values**2).sum() for values in centred) - 2 * overlap
    score = frechet_distance(one, other)
    assert score.value == pytest.approx(expected, rel=1e-12)
    assert (score.route, score.rank) == ("factors", 19)
    assert of_moments(fit_moments(one), fit_moments(other)) == pytest.approx(expected, rel=1e-10)


def wide(count: int, seed: int, rank: int = 520) -> np.ndarray:
    """Features of more dimensions than factors are taken for, `rank` of them in use."""
    directions = np.linalg.qr(sample(520, 520, 0))[0][:rank]
    features: np.ndarray = sample(count, rank, seed) * np.linspace(0.2, 1, rank) @ directions
    return features


def test_many_dimensions_go_by_eigenvalues_and_factors_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = wide(700, 1), 1.1 * wide(800, 2) + 0.1
    fast, fast_of_moments = frechet_distance(one, other), of_moments(fit_moments(one), fit_moments(other))
    monkeypatch.setattr("pipeline.metrics.frechet_distance.FEW_DIMENSIONS", 520)
    exact = frechet_distance(one, other)
    assert (fast.route, exact.route) == ("eigenvalues", "factors")
    assert fast.value == pytest.approx(exact.value, rel=1e-12)
    assert fast_of_moments == fast.value
    assert fast.rank == exact.rank == 520


@pytest.mark.parametrize("rank", [1, 300, 519])
def test_many_dimensions_of_a_collapsed_generator_go_by_factors_and_keep_their_digits(rank: int) -> None:
    collapsed, real = wide(700, 3, rank), wide(800, 4)
    score = frechet_distance(collapsed, real)
    assert score.route == "factors"
    assert score.rank == rank
    assert score.value == pytest.approx(frechet_distance(real, collapsed).value, rel=1e-12)


def test_the_covariance_divides_by_one_less_than_the_count() -> None:
    real, generated = np.array([[0.0], [2.0]]), np.array([[0.0], [4.0]])  # variances 2 and 8, not 1 and 4
    assert frechet_distance(real, generated).value == pytest.approx(1 + (np.sqrt(8) - np.sqrt(2)) ** 2, rel=1e-12)


def test_an_offset_costs_no_digits() -> None:
    one, other = np.round(sample(300, 12, 8), 6), np.round(sample(300, 12, 9), 6)
    near, far = frechet_distance(one, other), frechet_distance(one + 1024, other + 1024)
    assert far.value == pytest.approx(near.value, rel=1e-10)


def test_the_order_of_images_does_not_matter() -> None:
    one, other = sample(300, 12, 8), sample(300, 12, 9)
    assert frechet_distance(one[::-1], other).value == pytest.approx(frechet_distance(one, other).value, rel=1e-12)


def test_nan_features_are_an_error_that_counts_them() -> None:
    features = sample(10, 4, 10)
    features[[2, 7], 1] = np.nan
    with pytest.raises(NotFiniteError, match="features: 2 of 10 images have NaN"):
        frechet_distance(features, sample(10, 4, 11))


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="found 1 images, expected at least 2"):
        frechet_distance(np.zeros((1, 4)), sample(10, 4, 11))


def test_different_feature_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="found features of 4 and 5 values"):
        frechet_distance(sample(9, 4, 0), sample(9, 5, 0))
    with pytest.raises(ValueError, match="found features of 4 and 5 values"):
        of_moments(fit_moments(sample(9, 4, 0)), fit_moments(sample(9, 5, 0)))
