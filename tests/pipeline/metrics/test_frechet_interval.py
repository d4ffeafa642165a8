"""The standard error and the extrapolation, against many independent draws."""

import numpy as np
import pytest

from pipeline.metrics.features import Features
from pipeline.metrics.frechet_distance import frechet_distance
from pipeline.metrics.frechet_interval import METRIC, estimate_frechet, influences
from pipeline.metrics.metric import RealFeatures
from tests.pipeline.metrics.computing import compute

WITHIN_95_PERCENT = 1.959964


def spread(dimensions: int, seed: int, like: float = 0.0) -> np.ndarray:
    """A factor of a covariance; `like` 1 is that of seed 0."""
    own_factor, common = (
        np.random.default_rng(number).standard_normal((dimensions, dimensions)) for number in (seed, 0)
    )
    factor: np.ndarray = ((1 - like) * own_factor + like * common) / np.sqrt(dimensions)
    return factor


class Pair:
    """Two distributions that pairs of feature sets are drawn from."""

    def __init__(self, dimensions: int, counts: tuple[int, int], like: float, shift: float, *, rectified: bool) -> None:
        self.factors = (spread(dimensions, 0), spread(dimensions, 1, like))
        self.counts, self.shift, self.rectified = counts, shift, rectified

    def draw(self, seed: int, counts: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        stream = np.random.default_rng(seed)
        sets = [
            stream.standard_normal((count, len(factor))) @ factor
            for count, factor in zip(counts or self.counts, self.factors, strict=True)
        ]
        sets[1] += self.shift / np.sqrt(sets[1].shape[1])
        first, second = (np.maximum(features, 0) for features in sets) if self.rectified else sets
        return first, second

    def true_distance(self) -> float:
        """In closed form, or rectified of four million images each, with an error of a thirtieth of a set's."""
        if self.rectified:
            draws = [frechet_distance(*self.draw(10**6 + seed, (10**6, 10**6))).value for seed in range(4)]
            return float(np.mean(draws))
        first, second = self.factors
        overlap = np.linalg.norm(first @ second.T, "nuc")
        return float(self.shift**2 + (first**2).sum() + (second**2).sum() - 2 * overlap)


GAUSSIAN = Pair(16, (1000, 1000), 0.5, 1.0, rectified=False)
RECTIFIED = Pair(64, (3000, 2000), 0.7, 0.3, rectified=True)
EQUAL = Pair(16, (500, 500), 1.0, 0.0, rectified=False)
NEAR = Pair(32, (1000, 1000), 0.9, 0.2, rectified=False)


def test_an_influence_is_the_effect_of_one_more_image_on_the_distance() -> None:
    first, second = GAUSSIAN.draw(0)
    distance, (of_first, of_second) = frechet_distance(first, second).value, influences(first, second)
    weight = 1e-4
    for index in (3, 500):
        doubled = 1 + weight * len(first) * (np.arange(len(first)) == index)
        moved = _weighted_distance(first, doubled, second)
        assert (moved - distance) / weight == pytest.approx(of_first[index] - of_first.mean(), rel=0.02, abs=0.05)
        moved = _weighted_distance(second, doubled, first)
        assert (moved - distance) / weight == pytest.approx(of_second[index] - of_second.mean(), rel=0.02, abs=0.05)


def _weighted_distance(weighted: np.ndarray, weights: np.ndarray, other: np.ndarray) -> float:
    from pipeline.metrics.frechet_distance import frechet_distance_of_moments
    from pipeline.metrics.moments import Moments, fit_moments

    mean = np.average(weighted, axis=0, weights=weights)
    covariance = np.cov(weighted, rowvar=False, aweights=weights, ddof=0) * len(weighted) / (len(weighted) - 1)
    return frechet_distance_of_moments(Moments(len(weighted), mean, covariance), fit_moments(other)).value


def test_both_ways_to_the_influences_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = RECTIFIED.draw(1)
    by_factors = influences(first, second)
    monkeypatch.setattr("pipeline.metrics.frechet_interval.FEW_DIMENSIONS", 8)
    by_moments = influences(first, second)
    for one, other in zip(by_factors, by_moments, strict=True):
        assert not np.array_equal(one, other)
        assert np.allclose(one, other, rtol=1e-7, atol=1e-7)


def test_in_one_dimension_the_error_is_that_of_the_closed_form() -> None:
    stream = np.random.default_rng(0)
    first, second = stream.standard_normal((20_000, 1)), 2 * stream.standard_normal((10_000, 1)) + 3
    # (m1-m2)^2 + (s1-s2)^2 with Var m = s^2/n and Var s = s^2/2n
    variance = (2 * 3) ** 2 * (1 / 20_000 + 4 / 10_000) + (2 * 1) ** 2 * (1 / 40_000 + 4 / 20_000)
    assert estimate_frechet(first, second).standard_error == pytest.approx(np.sqrt(variance), rel=0.05)


def test_the_order_of_images_changes_nothing() -> None:
    first, second = NEAR.draw(2)
    one, other = estimate_frechet(first, second), estimate_frechet(first[::-1].copy(), second)
    assert one.infinity == pytest.approx(other.infinity, rel=1e-9)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-9)


def test_swapped_sets_give_the_same_estimate() -> None:
    first, second = NEAR.draw(3)
    one, other = estimate_frechet(first, second), estimate_frechet(second, first)
    assert other.distance.value == pytest.approx(one.distance.value, rel=1e-10)
    assert other.infinity == pytest.approx(one.infinity, rel=1e-10)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-10)


def test_a_generator_of_few_different_images_is_not_extrapolated_below_its_score() -> None:
    stream = np.random.default_rng(0)
    repeated = stream.standard_normal((5, 16))[stream.integers(0, 5, 4000)]
    real = stream.standard_normal((4000, 16))
    estimate, jittered = estimate_frechet(repeated, real), estimate_frechet(repeated + 1e-9 * real[::-1], real)
    assert estimate.infinity == pytest.approx(jittered.infinity, abs=2 * estimate.infinity_standard_error)
    assert abs(estimate.infinity - estimate.distance.value) < 0.01 * estimate.distance.value


def test_rounding_of_features_moves_the_extrapolation_by_little_of_its_error() -> None:
    first, second = EQUAL.draw(0)
    moved = [
        estimate_frechet(first + 1e-7 * np.random.default_rng(seed).standard_normal(first.shape), second).infinity
        for seed in range(20)
    ]
    assert np.std(moved) < 0.15 * estimate_frechet(first, second).infinity_standard_error


def test_twice_as_many_images_lie_on_the_line_through_infinity() -> None:
    pair = Pair(16, (400, 400), 0.5, 1.0, rectified=False)
    few = [estimate_frechet(*pair.draw(seed)) for seed in range(60)]
    many = [frechet_distance(*pair.draw(seed, (1600, 1600))).value for seed in range(100, 160)]
    predicted = np.mean([estimate.infinity + estimate.slope / 4 for estimate in few])
    error = np.hypot(np.std([estimate.infinity for estimate in few]), np.std(many)) / np.sqrt(60)
    assert abs(predicted - np.mean(many)) < 3 * error
    assert all(estimate.slope > 0 for estimate in few)


def test_too_few_images_for_the_extrapolation_are_noted() -> None:
    estimate = estimate_frechet(*Pair(64, (90, 90), 0.5, 0.5, rectified=False).draw(0))
    assert "90 images in 64 dimensions does not fall along a straight line" in estimate.note
    score = compute(METRIC, *_sets(Pair(64, (90, 90), 0.5, 0.5, rectified=False).draw(0)))["fid_infinity"]
    assert score.standard_error is None
    assert estimate_frechet(*GAUSSIAN.draw(0)).note == ""


def test_the_scores_are_those_of_the_judged_against_the_test_images() -> None:
    first, second = GAUSSIAN.draw(0)
    real = RealFeatures(Features(second), train=Features(first + 5))
    scores, estimate = compute(METRIC, Features(first), real), estimate_frechet(first, second)
    assert (scores["fid"].value, scores["fid"].standard_error) == (estimate.distance.value, estimate.standard_error)
    assert scores["fid_infinity"].value == estimate.infinity
    assert scores["fid_infinity"].standard_error == estimate.infinity_standard_error


def test_three_images_have_a_distance_but_no_error() -> None:
    scores = compute(METRIC, *_sets(Pair(4, (3, 9), 0.5, 0.5, rectified=False).draw(0)))
    assert list(scores) == ["fid"]
    assert scores["fid"].standard_error is None
    with pytest.raises(ValueError, match="found 3 and 9 images, expected at least 4"):
        estimate_frechet(np.zeros((3, 2)), np.zeros((9, 2)))


def test_constant_features_have_no_error_and_no_bend() -> None:
    estimate = estimate_frechet(np.ones((20, 3)), np.zeros((20, 3)))
    assert (estimate.distance.value, estimate.standard_error, estimate.infinity) == (3.0, 0.0, 3.0)


def _sets(pair: tuple[np.ndarray, np.ndarray]) -> tuple[Features, RealFeatures]:
    return Features(pair[0]), RealFeatures(Features(pair[1]))


@pytest.mark.parametrize("pair", [GAUSSIAN, EQUAL], ids=["gaussian", "equal"])
def test_the_error_is_about_the_deviation_of_repeated_draws(pair: Pair) -> None:
    estimates = [estimate_frechet(*pair.draw(seed)) for seed in range(150)]
    for values, errors in (
        ([estimate.distance.value for estimate in estimates], [estimate.standard_error for estimate in estimates]),
        ([estimate.infinity for estimate in estimates], [estimate.infinity_standard_error for estimate in estimates]),
    ):
        assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.2)  # 150 draws know it to 6 %


@pytest.mark.slow
@pytest.mark.parametrize("pair", [GAUSSIAN, RECTIFIED, EQUAL, NEAR], ids=["gaussian", "rectified", "equal", "near"])
def test_errors_are_within_a_tenth_and_intervals_cover_in_95_of_100(pair: Pair) -> None:
    truth, estimates = pair.true_distance(), [estimate_frechet(*pair.draw(seed)) for seed in range(2000)]
    errors = np.array([estimate.infinity_standard_error for estimate in estimates])
    infinities = np.array([estimate.infinity for estimate in estimates])
    covered = (np.abs(infinities - truth) <= WITHIN_95_PERCENT * errors).mean()
    deviation = np.std([estimate.distance.value for estimate in estimates], ddof=1)
    print(f"error / deviation {np.mean([estimate.standard_error for estimate in estimates]) / deviation:.3f}", end=", ")
    print(f"of infinity {errors.mean() / infinities.std(ddof=1):.3f}, covered {covered:.3f}, truth {truth:.4f}")
    assert np.mean([estimate.standard_error for estimate in estimates]) == pytest.approx(deviation, rel=0.1)
    assert errors.mean() == pytest.approx(infinities.std(ddof=1), rel=0.1)
    assert 0.93 <= covered <= 0.97
