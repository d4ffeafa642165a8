import numpy as np
import pytest

from pipeline.metrics.features import Features
from pipeline.metrics.memorisation import METRIC, authentic, memorisation_distance, nearest_training_images
from pipeline.metrics.metric import Need, RealFeatures
from tests.pipeline.metrics.computing import compute


def images(count: int, seed: int, width: int = 12) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    return np.maximum(drawn + 0.5, 0).astype(np.float32)


def scores(generated: np.ndarray, train: np.ndarray) -> dict[str, float]:
    scores = compute(METRIC, Features(generated), RealFeatures(test=Features(images(10, 9)), train=Features(train)))
    return {name: score.value for name, score in scores.items()}


def test_the_distance_is_the_least_one_minus_cosine() -> None:
    generated, train = images(40, 1).astype(np.float64), images(70, 2).astype(np.float64)
    cosines = generated @ train.T / np.outer(np.linalg.norm(generated, axis=1), np.linalg.norm(train, axis=1))
    assert memorisation_distance(generated, train) == pytest.approx(1 - cosines.max(axis=1), rel=1e-9)


def test_a_generator_that_copies_everything_scores_exactly_zero() -> None:
    train = images(60, 1)
    assert scores(train[[3, 7, 7, 50]], train) == {"memorisation_distance": 0.0, "authenticity": 0.0}


def test_fifty_copies_among_a_thousand_lower_both_scores() -> None:
    """Averaged over training images they would not: those 50 are near generated images, the other 950 are as before."""
    train, new = images(1000, 1), images(1000, 2)
    copied = np.concatenate([train[:50], new[50:]])
    honest, caught = scores(new, train), scores(copied, train)
    assert caught["memorisation_distance"] == pytest.approx(0.95 * honest["memorisation_distance"], rel=0.01)
    assert caught["authenticity"] < honest["authenticity"] - 0.02


def test_fifty_generated_copies_score_zero_beside_any_further_training_images() -> None:
    train = images(1000, 1)
    assert scores(train[:50], train) == {"memorisation_distance": 0.0, "authenticity": 0.0}


def test_a_brighter_copy_is_a_copy_by_cosine_distance() -> None:
    train = images(60, 1)
    assert memorisation_distance(3 * train[:5], train) == pytest.approx(0, abs=1e-12)


def test_an_image_without_features_is_one_from_every_other_and_zero_from_its_like() -> None:
    nothing, train = np.zeros((2, 12), np.float32), images(30, 1)
    assert memorisation_distance(nothing, train) == pytest.approx([1, 1])
    assert memorisation_distance(nothing, np.concatenate([train, nothing[:1]])).tolist() == [0, 0]
    assert memorisation_distance(train[:3], nothing) == pytest.approx([1, 1, 1])


def test_neither_huge_nor_tiny_features_change_the_cosine_distance() -> None:
    generated, train = images(10, 1).astype(np.float64), images(30, 2).astype(np.float64)
    expected = memorisation_distance(generated, train)
    assert memorisation_distance(generated * 1e200, train * 1e-200) == pytest.approx(expected, rel=1e-12)


def test_an_image_is_authentic_beyond_the_distance_of_the_training_images_own_neighbour() -> None:
    train = np.array([[0.0], [1.0], [10.0]])  # nearest others at 1, 1 and 9
    generated = np.array([[-0.5], [-1.0], [-1.5], [10.0], [18.5], [20.0]])
    assert authentic(generated, train).tolist() == [False, False, True, False, False, True]


def test_beside_a_doubled_training_image_only_a_third_copy_is_not_authentic() -> None:
    train = np.array([[0.0], [0.0], [5.0]])
    assert authentic(np.array([[0.0], [0.1]]), train).tolist() == [False, True]


def test_about_half_of_new_images_are_authentic() -> None:
    """The new image and the nearest training image's own neighbour are two draws from one distribution."""
    assert 0.4 < authentic(images(2000, 1), images(2000, 2)).mean() < 0.6


def test_the_closest_pairs_come_first() -> None:
    train = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    generated = np.array([[5.0, 5.0], [10.0, 1.0], [0.0, 0.5], [10.0, -1.0]])
    indices, nearest, distances = nearest_training_images(generated, train, 3)
    assert indices.tolist() == [2, 1, 3]
    assert nearest.tolist() == [0, 1, 1]
    assert distances.tolist() == [0.5, 1, 1]
    assert [len(part) for part in nearest_training_images(generated, train, 9)] == [4, 4, 4]


def test_the_standard_errors_are_the_deviations_between_draws_of_generated_images() -> None:
    train = Features(images(200, 1))
    real = RealFeatures(test=train, train=train)
    draws = [compute(METRIC, Features(images(100, 10 + seed)), real) for seed in range(200)]
    for name in METRIC.names:
        deviation = np.std([draw[name].value for draw in draws], ddof=1)
        errors = [error for draw in draws if (error := draw[name].standard_error) is not None]
        assert len(errors) == 200
        assert np.mean(errors) == pytest.approx(deviation, rel=0.2)


def test_no_standard_error_is_made_up_for_one_image() -> None:
    train = Features(images(20, 1))
    scores = compute(METRIC, train.first(1), RealFeatures(test=train, train=train))
    assert [score.standard_error for score in scores.values()] == [None, None]


def test_the_metric_needs_training_images() -> None:
    assert Need.TRAINING_IMAGES in METRIC.needs
    with pytest.raises(ValueError, match="found no training images"):
        compute(METRIC, Features(images(5, 1)), RealFeatures(Features(images(5, 2))))
