import numpy as np
import pytest

from pipeline.metrics.inception_score import inception_score, split_inception_score

CERTAIN = 1e4  # a logit so large that its softmax is one-hot


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count)[classes] * CERTAIN


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
