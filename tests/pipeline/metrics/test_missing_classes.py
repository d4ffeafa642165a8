import numpy as np

from pipeline.metrics.features import Features
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.missing_classes import METRIC, class_counts, missing_classes
from tests.pipeline.metrics.computing import compute


def test_classes_are_counted_by_the_largest_logit() -> None:
    assert class_counts(np.array([[0, 2, 1], [5, 0, 1], [0, 9, 1]])).tolist() == [1, 2, 0]


def test_a_class_below_a_tenth_of_its_equal_share_is_missing() -> None:
    classes = np.repeat([0, 1, 2, 3], [470, 497, 25, 8])  # of 1,000 in 4 classes: a tenth of a share is 25
    assert missing_classes(np.eye(4)[classes]) == 1


def test_the_score_carries_the_count_of_every_class() -> None:
    judged = Features(np.zeros((4, 1)), np.eye(3)[[0, 2, 2, 2]])
    score = compute(METRIC, judged, RealFeatures(judged))["missing_classes"]
    assert (score.value, score.by_class) == (1.0, (1.0, 0.0, 3.0))
