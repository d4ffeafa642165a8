import numpy as np
import pytest

from pipeline.metrics.features import Features, NotFiniteError
from pipeline.metrics.frechet_distance import METRIC, frechet_distance
from pipeline.metrics.moments import Moments, fit_moments


def gaussian(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(100, np.array(mean), np.array(covariance))


def sample(count: int, dimensions: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions))


def test_the_value_published_with_compare_gan() -> None:
    real, generated = np.ones((100, 2)), 9 * np.ones((100, 2))
    real[:50, 0], generated[50:, 0] = 2, 2
    distance = frechet_distance(fit_moments(real), fit_moments(generated))
    assert distance == pytest.approx(89.0909, abs=1e-4)


def test_a_set_is_at_distance_zero_from_itself() -> None:
    moments = fit_moments(sample(200, 16, 0))
    assert frechet_distance(moments, moments) == pytest.approx(0, abs=1e-12)


def test_equal_covariances_leave_only_the_squared_mean_difference() -> None:
    covariance = [[2.0, 0.5], [0.5, 1.0]]
    assert frechet_distance(gaussian([0, 0], covariance), gaussian([3, 4], covariance)) == pytest.approx(25, rel=1e-12)


def test_in_one_dimension_it_is_the_squared_differences_of_mean_and_deviation() -> None:
    assert frechet_distance(gaussian([1], [[4]]), gaussian([5], [[9]])) == pytest.approx(4**2 + (2 - 3) ** 2)


def test_commuting_covariances_have_the_closed_form() -> None:
    rotation = np.linalg.qr(sample(6, 6, 1))[0]
    first, second = np.arange(1.0, 7.0), np.array([0.0, 0.1, 5.0, 2.0, 0.0, 9.0])  # the second is singular
    one = Moments(9, np.zeros(6), rotation * first @ rotation.T)
    other = Moments(9, np.zeros(6), rotation * second @ rotation.T)
    expected = ((np.sqrt(first) - np.sqrt(second)) ** 2).sum()
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-12)


def test_it_is_symmetric() -> None:
    one, other = fit_moments(sample(80, 10, 2)), fit_moments(3 * sample(90, 10, 3) + 1)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-12)


def test_collapsed_images_have_distance_mean_difference_plus_real_variance() -> None:
    real, constant = fit_moments(sample(100, 8, 4)), fit_moments(np.full((100, 8), 0.5))
    expected = ((real.mean - 0.5) ** 2).sum() + np.trace(real.covariance)
    assert frechet_distance(real, constant) == pytest.approx(expected, rel=1e-12)


def test_fewer_images_than_dimensions_stay_real_and_exact() -> None:
    one, other = sample(20, 64, 5), sample(25, 64, 6) + 0.3
    difference = one.mean(axis=0) - other.mean(axis=0)
    centred = [(values - values.mean(axis=0)) / np.sqrt(len(values) - 1) for values in (one, other)]
    overlap = np.linalg.norm(centred[0] @ centred[1].T, "nuc")  # Mathiasen & Hvilshøj 2020: no covariance is formed
    expected = difference @ difference + sum((values**2).sum() for values in centred) - 2 * overlap
    assert frechet_distance(fit_moments(one), fit_moments(other)) == pytest.approx(expected, rel=1e-10)


def test_moments_divide_by_one_less_than_the_count_and_survive_an_offset() -> None:
    values = sample(50, 5, 7)
    shifted = fit_moments(values + 1e6)
    assert np.allclose(shifted.covariance, np.cov(values, rowvar=False), rtol=1e-8)
    assert np.allclose(shifted.mean - 1e6, values.mean(axis=0), atol=1e-8)


def test_the_order_of_images_does_not_matter() -> None:
    one, other = sample(300, 12, 8), sample(300, 12, 9)
    logits = np.zeros((300, 10))
    given = METRIC.compute(Features(one, logits), Features(other, logits))["fid"]
    turned = METRIC.compute(Features(one[::-1], logits), Features(other, logits))["fid"]
    assert given == pytest.approx(turned, rel=1e-12)


def test_nan_features_are_an_error_that_counts_them() -> None:
    features = sample(10, 4, 10)
    features[[2, 7], 1] = np.nan
    with pytest.raises(NotFiniteError, match="features: 2 of 10 images have NaN"):
        Features(features, np.zeros((10, 3)))


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="found 1 images, expected at least 2"):
        fit_moments(np.zeros((1, 4)))


def test_unlike_feature_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="found features of 4 and 5 values"):
        frechet_distance(fit_moments(sample(9, 4, 0)), fit_moments(sample(9, 5, 0)))
