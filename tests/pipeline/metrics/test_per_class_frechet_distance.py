import math

import numpy as np
import pytest

from pipeline.metrics.features import Features
from pipeline.metrics.frechet_distance import frechet_distance
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.per_class_frechet_distance import METRIC
from tests.pipeline.metrics.computing import compute


def labelled(labels: np.ndarray, seed: int, shift: float = 0.0, classes: int = 3) -> Features:
    features = np.random.default_rng(seed).standard_normal((len(labels), 4)) + 10 * labels[:, None] + shift
    return Features(features, np.eye(classes)[labels])


LABELS = np.arange(300) % 3


def test_each_class_is_compared_with_its_own() -> None:
    judged, real = labelled(LABELS, 0), labelled(LABELS[::-1], 1)
    score = compute(METRIC, judged, RealFeatures(real))["per_class_fid"]
    assert score.by_class is not None
    expected = frechet_distance(judged.features[LABELS == 1], real.features[LABELS[::-1] == 1]).value
    assert score.by_class[1] == expected
    assert score.value == pytest.approx(np.mean(score.by_class))
    assert score.value < 1 < frechet_distance(judged.features, real.features + 10).value


def test_classes_that_trade_places_are_seen_though_the_whole_set_is_right() -> None:
    real = labelled(LABELS, 0)
    assert real.logits is not None
    turned = Features(real.features, real.logits[:, [1, 2, 0]])
    assert frechet_distance(turned.features, real.features).value == pytest.approx(0, abs=1e-9)
    assert compute(METRIC, turned, RealFeatures(real))["per_class_fid"].value > 100


def test_a_class_that_is_not_shown_has_no_distance_and_the_mean_none_either() -> None:
    score = compute(METRIC, labelled(np.arange(300) % 2, 0), RealFeatures(labelled(LABELS, 1)))["per_class_fid"]
    assert score.by_class is not None
    assert [math.isnan(value) for value in score.by_class] == [False, False, True]
    assert math.isnan(score.value)
