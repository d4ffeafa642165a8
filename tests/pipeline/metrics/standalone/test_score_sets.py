import numpy as np
import pytest

from pipeline.metrics.catalogue import BETTER_DIRECTIONS, score_names
from pipeline.metrics.features import IMAGENET, Features
from pipeline.metrics.inception_score import log_of_probabilities
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.moments import fit_moments
from pipeline.metrics.standalone.score_sets import GeneratedSet, SetScores, score_sets

SHIFT, SCALE, DIMENSIONS = 0.5, 1.5, 8
FEATURE_SCORES = {"fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage"}
CLOSED_FORM = DIMENSIONS * (SHIFT**2 + (SCALE - 1) ** 2)


def gaussian(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * np.random.default_rng(seed).normal(size=(count, DIMENSIONS))


def scored(generated: np.ndarray, real: np.ndarray, k: int = 5, train: np.ndarray | None = None) -> SetScores:
    trained = None if train is None else Features(train)
    return score_sets(GeneratedSet(generated), RealFeatures(Features(real), trained, k))


def test_the_distance_of_two_gaussians_lies_in_the_interval_around_fid_infinity() -> None:
    score = scored(gaussian(3000, 1, SHIFT, SCALE), gaussian(3000, 2)).scores["fid_infinity"]
    assert score.standard_error is not None
    assert 0 < score.standard_error < 0.05 * CLOSED_FORM
    assert abs(score.value - CLOSED_FORM) < 3 * score.standard_error


def test_fid_agrees_with_torch_fidelity() -> None:
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    import torch

    generated, real = gaussian(400, 1, SHIFT, SCALE), gaussian(500, 2)
    statistics = [fidelity.fid_features_to_statistics(torch.from_numpy(features)) for features in (generated, real)]
    expected = fidelity.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert scored(generated, real).scores["fid"].value == pytest.approx(expected, rel=1e-9)


def test_kid_is_the_unbiased_estimate_over_all_pairs() -> None:
    generated, real = gaussian(40, 1, SHIFT), gaussian(50, 2)
    xx, yy, xy = ((x @ y.T / DIMENSIONS + 1) ** 3 for x, y in ((generated, generated), (real, real), (generated, real)))
    within = (xx.sum() - np.trace(xx)) / (40 * 39) + (yy.sum() - np.trace(yy)) / (50 * 49)
    assert scored(generated, real).scores["kid"].value == pytest.approx(within - 2 * xy.mean(), rel=1e-9)


def test_every_score_is_there_and_known_as_better_lower_or_higher() -> None:
    log_p = log_of_probabilities(np.eye(4)[np.arange(100) % 4])
    real = RealFeatures(Features(gaussian(90, 2)), Features(gaussian(80, 3)))
    scored_sets = score_sets(GeneratedSet(gaussian(100, 1), log_p), real)
    assert set(scored_sets.scores) == set(score_names(IMAGENET)) <= set(BETTER_DIRECTIONS)
    assert scored_sets.scores["inception_score"].value == pytest.approx(4)
    assert (scored_sets.n_generated, scored_sets.n_real, scored_sets.n_train) == (100, 90, 80)
    assert (scored_sets.dimensions, scored_sets.neighbours) == (DIMENSIONS, 5)
    assert scored_sets.scores["fid"].details == {"route": "factors", "rank": DIMENSIONS}


def test_generated_copies_of_training_images_are_found_and_not_by_any_other_score() -> None:
    train, real = gaussian(100, 1), gaussian(100, 2)
    scores = scored(train, real, train=train).scores
    assert scores["memorisation_distance"].value == pytest.approx(0, abs=1e-12)
    assert scores["authenticity"].value == 0
    assert scores["coverage"].value > 0.8


def test_the_neighbourhood_is_the_requested_one() -> None:
    generated, real = gaussian(200, 1, 0.8), gaussian(200, 2)
    assert (
        scored(generated, real, k=10).scores["precision"].value > scored(generated, real, k=1).scores["precision"].value
    )


@pytest.mark.parametrize(
    ("count", "missing"),
    [
        (2, {"fid_infinity", "kid", "precision", "recall", "density", "coverage"}),
        (4, {"precision", "recall", "density", "coverage"}),
        (6, set()),
    ],
)
def test_scores_that_few_images_do_not_define_are_left_out_and_explained(count: int, missing: set[str]) -> None:
    result = scored(gaussian(count, 1), gaussian(50, 2))
    assert result.scores.keys() & FEATURE_SCORES == FEATURE_SCORES - missing
    assert all(any(name in note and "not defined" in note for note in result.notes) for name in missing)


def test_probabilities_of_few_images_have_no_splits() -> None:
    result = score_sets(GeneratedSet(None, log_of_probabilities(np.eye(3))), None)
    assert set(result.scores) == {"inception_score"}
    assert result.scores["inception_score"].value == pytest.approx(3)
    assert any(
        note.startswith("inception_score_splits_mean and inception_score_splits_std: not defined, found 3 images")
        for note in result.notes
    )
    assert (result.n_real, result.dimensions, result.neighbours) == (None, None, None)


def test_fewer_images_than_dimensions_are_noted() -> None:
    assert any(
        "for 8 dimensions leave a covariance singular" in note for note in scored(gaussian(7, 1), gaussian(50, 2)).notes
    )
    assert not any("singular" in note for note in scored(gaussian(50, 1), gaussian(50, 2)).notes)


def test_fid_infinity_keeps_its_number_where_it_is_not_to_be_trusted() -> None:
    real = np.random.default_rng(0).normal(size=(60, 200))
    result = scored(0.2 * np.random.default_rng(1).normal(size=(60, 200)) ** 3, real)
    assert np.isfinite(result.scores["fid_infinity"].value)
    assert result.scores["fid_infinity"].standard_error is None
    assert any(note.startswith("fid_infinity is not to be trusted: ") for note in result.notes)


def test_a_gaussian_alone_gives_fid_alone_and_the_same_one() -> None:
    generated, real = gaussian(300, 1, SHIFT), gaussian(200, 2)
    result = score_sets(GeneratedSet(generated), fit_moments(real))
    assert set(result.scores) == {"fid"}
    assert result.scores["fid"].value == pytest.approx(scored(generated, real).scores["fid"].value, rel=1e-9)
    assert result.scores["fid"].standard_error is None
    assert result.n_real is None
    assert any("mean and covariance alone" in note for note in result.notes)


@pytest.mark.parametrize("scale", [1e60, 1e100, 1e150])
def test_a_kernel_that_overflows_takes_no_other_score_with_it(scale: float) -> None:
    result = scored(gaussian(60, 1, SHIFT, scale), gaussian(50, 2, 0.0, scale))
    assert result.scores.keys() & FEATURE_SCORES == FEATURE_SCORES - {"kid"}
    assert result.scores["precision"].value > 0.5
    assert any(note.startswith("kid: not defined, the features' values are too large") for note in result.notes)


def test_the_order_of_images_decides_nothing() -> None:
    generated, real = gaussian(120, 1, SHIFT), gaussian(100, 2)
    one, other = scored(generated, real), scored(generated[::-1], real[::-1])
    for name, score in one.scores.items():
        assert other.scores[name].value == pytest.approx(score.value, rel=1e-9), name


@pytest.mark.parametrize(
    ("generated", "real", "message"),
    [
        (gaussian(9, 1), gaussian(9, 2)[:, :5], "found features of 8 and 5 values"),
        (gaussian(9, 1)[:1], gaussian(9, 2), "found 1 images, expected at least 2"),
    ],
)
def test_sets_that_cannot_be_compared_are_one_sentence(generated: np.ndarray, real: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(generated, real)


def test_features_and_probabilities_must_be_of_as_many_images() -> None:
    with pytest.raises(ValueError, match="found 9 rows and 3 rows, expected"):
        score_sets(GeneratedSet(gaussian(9, 1), np.log(np.full((3, 2), 0.5))), None)
