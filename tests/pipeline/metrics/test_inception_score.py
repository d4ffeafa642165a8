import numpy as np
import pytest

from pipeline.metrics.features import Features
from pipeline.metrics.inception_score import METRIC, estimate_inception_score, log_of_probabilities, log_probabilities
from pipeline.metrics.inception_score import inception_score as score_of
from pipeline.metrics.inception_score import split_inception_score as split_score_of
from pipeline.metrics.metric import RealFeatures
from tests.pipeline.metrics.computing import compute

CERTAIN = 1e4  # a logit so large that its softmax is one-hot


def inception_score(logits: np.ndarray) -> float:
    return score_of(log_probabilities(logits))


def split_inception_score(logits: np.ndarray) -> tuple[float, float]:
    return split_score_of(log_probabilities(logits))


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    rows: np.ndarray = np.eye(count)[classes] * CERTAIN
    return rows


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_sure_and_evenly_spread_predictions_score_the_number_of_classes(classes: int) -> None:
    assert inception_score(one_hot(np.arange(3 * classes) % classes, classes)) == pytest.approx(classes, rel=1e-12)


def test_one_class_alone_and_no_idea_at_all_both_score_one() -> None:
    assert inception_score(one_hot(np.zeros(50, int), 10)) == pytest.approx(1)
    assert inception_score(np.zeros((50, 10))) == pytest.approx(1)


def test_two_classes_of_unequal_share_score_exp_of_their_entropy() -> None:
    classes = np.array([0] * 30 + [1] * 10)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert inception_score(one_hot(classes, 2)) == pytest.approx(np.exp(entropy), rel=1e-12)


def test_it_is_the_definition_on_ordinary_logits() -> None:
    logits = np.random.default_rng(0).standard_normal((200, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = np.exp((p * np.log(p / p.mean(axis=0))).sum(axis=1).mean())
    assert inception_score(logits.astype(np.float32)) == pytest.approx(expected, rel=1e-6)


def test_splits_use_every_image_and_give_the_population_deviation() -> None:
    logits = np.random.default_rng(1).standard_normal((103, 4))
    shuffled = logits[np.random.default_rng(0).permutation(103)]
    parts = [shuffled[i * 103 // 10 : (i + 1) * 103 // 10] for i in range(10)]
    assert sum(map(len, parts)) == 103
    scores = [inception_score(part) for part in parts]
    assert split_inception_score(logits) == pytest.approx((np.mean(scores), np.std(scores)))


def test_images_sorted_by_class_score_as_shuffled_ones() -> None:
    mean, _ = split_inception_score(one_hot(np.sort(np.arange(5000) % 10), 10))
    assert mean > 9.8  # unshuffled, each split would hold one class and score 1


def test_fewer_images_than_splits_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 9 images, expected at least one for each of 10 splits"):
        split_inception_score(np.zeros((9, 3)))


def random_logits(count: int, seed: int, classes: int = 10) -> np.ndarray:
    stream = np.random.default_rng(seed)
    return 3 * stream.standard_normal((count, classes)) + 2 * np.linspace(0, 1, classes)


def test_probabilities_and_their_logits_score_the_same_and_zeros_are_not_nan() -> None:
    logits = random_logits(300, 0)
    probabilities = np.exp(log_probabilities(logits))
    assert score_of(log_of_probabilities(probabilities)) == pytest.approx(inception_score(logits), rel=1e-12)
    assert score_of(log_of_probabilities(np.eye(10)[np.arange(500) % 10])) == pytest.approx(10, rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.full((4, 3), 0.5), r"4 of 4 rows that are not probabilities \(row 0 adds up to 1.5\)"),
        (np.array([[0.5, 0.5], [1.5, -0.5]]), r"1 of 2 rows that are not probabilities \(row 1 adds up to 1\)"),
        (np.array([[0.5, 0.5], [np.nan, 1]]), r"1 of 2 rows that are not probabilities \(row 1 adds up to nan\)"),
        (np.array([0.5, 0.5]), r"found shape \(2,\), expected \(N, classes\)"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(wrong: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        log_of_probabilities(wrong)


@pytest.mark.parametrize("count", [60, 500])
def test_the_errors_are_the_deviations_of_repeated_draws(count: int) -> None:
    estimates = [estimate_inception_score(log_probabilities(random_logits(count, seed))) for seed in range(300)]
    for values, errors in (
        ([estimate.value for estimate in estimates], [estimate.standard_error for estimate in estimates]),
        ([estimate.infinity for estimate in estimates], [estimate.infinity_standard_error for estimate in estimates]),
    ):
        assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)


def test_extrapolated_small_sets_score_as_much_as_a_large_one() -> None:
    large = inception_score(random_logits(400_000, 999))
    small = np.array(
        [estimate_inception_score(log_probabilities(random_logits(100, seed))).infinity for seed in range(400)]
    )
    plain = np.array([inception_score(random_logits(100, seed)) for seed in range(400)])
    assert abs(small.mean() - large) < 3 * small.std() / 20
    assert abs(plain.mean() - large) > 6 * plain.std() / 20


def test_sure_predictions_score_no_more_than_there_are_classes_at_infinity_either() -> None:
    estimate = estimate_inception_score(log_of_probabilities(np.eye(10)[np.arange(4000) % 10]))
    assert estimate.infinity == pytest.approx(10, abs=0.05)


def test_every_score_but_the_splits_is_independent_of_the_order() -> None:
    logits = random_logits(400, 1)
    shuffled = logits[np.random.default_rng(2).permutation(400)]
    features, real = np.zeros((400, 1)), RealFeatures(Features(np.zeros((2, 1))))
    one, other = (compute(METRIC, Features(features, outputs), real) for outputs in (logits, shuffled))
    for name in ("inception_score", "inception_score_infinity"):
        assert one[name].value == pytest.approx(other[name].value, rel=1e-12)
    assert tuple(one) == METRIC.names
