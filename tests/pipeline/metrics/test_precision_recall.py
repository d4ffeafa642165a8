from dataclasses import astuple

import numpy as np
import pytest

from pipeline.metrics.features import Features
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.precision_recall import METRIC, precision_recall
from tests.pipeline.metrics.computing import compute


def normal(count: int, width: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((count, width))


def by_definition(generated: np.ndarray, real: np.ndarray, k: int) -> tuple[float, float, float, float]:
    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        table: np.ndarray = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))
        return table

    real_radii = np.sort(distances(real, real), axis=1)[:, k]  # the first is the image itself
    generated_radii = np.sort(distances(generated, generated), axis=1)[:, k]
    across = distances(real, generated)
    inside_real, inside_generated = across < real_radii[:, None], across < generated_radii
    return (
        float(inside_real.any(axis=0).mean()),
        float(inside_generated.any(axis=1).mean()),
        float(inside_real.sum(axis=0).mean() / k),
        float(inside_real.any(axis=1).mean()),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_four_scores_are_their_definitions(k: int) -> None:
    generated, real = normal(110, 6, 1, scale=0.7), normal(150, 6, 2)
    assert astuple(precision_recall(generated, real, k)) == pytest.approx(by_definition(generated, real, k), rel=1e-12)


def test_one_tight_cluster_in_wide_real_data_is_precise_but_recalls_little() -> None:
    scores = precision_recall(normal(300, 4, 1, scale=0.05), normal(300, 4, 2))
    assert scores.precision > 0.95
    assert scores.recall < 0.05
    assert scores.density > 0.9
    assert scores.coverage < 0.3


def test_generated_images_far_wider_than_real_ones_are_imprecise_but_recall_much() -> None:
    scores = precision_recall(normal(300, 4, 1), normal(300, 4, 2, scale=0.05))
    assert scores.precision < 0.05
    assert scores.recall > 0.95
    assert scores.density < 0.05


def test_sets_that_do_not_meet_score_zero() -> None:
    assert astuple(precision_recall(normal(50, 3, 1) + 100, normal(60, 3, 2))) == (0, 0, 0, 0)


def test_the_real_images_themselves_score_full_marks() -> None:
    real = normal(60, 3, 1)
    scores = precision_recall(real, real)
    assert (scores.precision, scores.recall, scores.coverage) == (1, 1, 1)
    assert scores.density == pytest.approx(
        1
    )  # each ball holds its centre and 4 of its 5 neighbours: one is on its edge


def test_one_image_over_and_over_recalls_nothing() -> None:
    real = normal(60, 3, 1)
    scores = precision_recall(np.repeat(real[:1], 40, axis=0), real)
    assert (scores.precision, scores.recall) == (1, 0)


def test_equal_distributions_have_the_expected_coverage_and_density() -> None:
    """E[coverage] = 1 - prod (N - i)/(2N - i), i = 1..k: one ranking of both sets decides; E[density] = 1."""
    n, k = 400, 5
    scores = [precision_recall(normal(n, 8, 2 * seed), normal(n, 8, 2 * seed + 1), k) for seed in range(20)]
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    assert np.mean([score.coverage for score in scores]) == pytest.approx(expected, abs=0.01)
    assert np.mean([score.density for score in scores]) == pytest.approx(1, abs=0.04)


@pytest.mark.slow
def test_the_published_example_of_two_normal_samples() -> None:
    """The README of Naeem et al.'s program: 10,000 draws of N(0, I) in 1,000 dimensions, twice."""
    scores = precision_recall(normal(10_000, 1000, 1), normal(10_000, 1000, 2), 5)
    published, three_deviations = (0.477, 0.471, 1.056, 0.974), (0.015, 0.018, 0.11, 0.012)  # between 8 pairs of draws
    for value, expected, tolerance in zip(astuple(scores), published, three_deviations, strict=True):
        assert value == pytest.approx(expected, abs=tolerance)


def test_the_metric_judges_generated_against_test_images_with_k_neighbours() -> None:
    judged, test = Features(normal(50, 4, 1, scale=0.5)), Features(normal(70, 4, 2))
    expected = precision_recall(judged.features, test.features, 3)
    scores = compute(METRIC, judged, RealFeatures(test, neighbours=3))
    assert [score.value for score in scores.values()] == list(astuple(expected))
    assert tuple(scores) == METRIC.names == ("precision", "recall", "density", "coverage")
    assert {score.better for score in METRIC.scores} == {"higher"}


def test_too_few_images_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 5 images for 5 nearest neighbours"):
        precision_recall(normal(5, 3, 1), normal(50, 3, 2))
