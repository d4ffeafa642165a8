import numpy as np
import pytest

from pipeline.metrics.path_length import EPSILON, path_ends, path_length


def latents(seed: int, count: int = 2000, size: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)


PLACES = np.random.default_rng(2).random(2000, np.float32)


def test_with_latents_as_features_the_length_is_the_squared_distance_of_straight_paths() -> None:
    first, second = latents(0), latents(1)
    here, further = path_ends(first, second, PLACES, on_sphere=False)
    squared = ((first - second).astype(np.float64) ** 2).sum(axis=1)
    kept = squared[(squared >= np.quantile(squared, 0.01)) & (squared <= np.quantile(squared, 0.99))]
    assert path_length(here, further).value == pytest.approx(kept.mean(), rel=1e-4)


def test_paths_on_the_sphere_move_by_equal_angles_and_stay_between_the_lengths() -> None:
    first, second = latents(0), latents(1)
    unit = [latents / np.linalg.norm(latents, axis=1, keepdims=True) for latents in (first, second)]
    here, further = path_ends(first, second, PLACES, on_sphere=True)
    between, arc = (_angle(*pair) for pair in ((here, further), unit))
    assert np.allclose(between, EPSILON * arc, atol=1e-3)
    on_unit = path_ends(unit[0], unit[1], PLACES, on_sphere=True)[0]
    assert np.allclose(np.linalg.norm(on_unit, axis=1), 1, atol=1e-5)
    starts = path_ends(first, second, np.zeros(2000, np.float32), on_sphere=True)[0]
    assert np.allclose(starts, first, atol=1e-5)
    ends = path_ends(first, 3 * second, np.ones(2000, np.float32), on_sphere=True)[0]
    assert np.allclose(ends, 3 * second, atol=1e-4)


def _angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = (first.astype(np.float64) * second).sum(axis=1) / lengths
    angles: np.ndarray = np.arccos(np.clip(cosine, -1, 1))
    return angles


def test_a_generator_that_always_draws_the_same_image_has_length_zero() -> None:
    assert path_length(np.ones((500, 8)), np.ones((500, 8))).value == 0


@pytest.mark.parametrize("tail", [0.3, 1.0])
def test_the_error_is_the_deviation_of_repeated_draws(tail: float) -> None:
    steps = np.random.default_rng(0).lognormal(0, tail, (400, 500, 1))
    scores = [path_length(np.zeros((500, 1)), squared) for squared in steps]
    deviation = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.standard_error for score in scores]) == pytest.approx(deviation, rel=0.12)


def test_one_leap_in_two_hundred_does_not_count() -> None:
    further = np.full((400, 1), EPSILON)
    leaping = further.copy()
    leaping[[7, 300]] = 1000.0
    assert path_length(np.zeros((400, 1)), leaping).value == pytest.approx(1)
    leaping[:20] = 1000.0
    assert path_length(np.zeros((400, 1)), leaping).value > 1e4


def test_equal_latents_have_no_direction_and_stay_where_they_are() -> None:
    first = latents(0)
    here, further = path_ends(first, first, PLACES, on_sphere=True)
    assert np.allclose(here, first, atol=1e-5)
    assert np.allclose(further, first, atol=1e-5)
