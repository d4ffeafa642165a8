"""Scores of one metric, for tests of metrics that every report computes."""

from pipeline.metrics.features import Features
from pipeline.metrics.metric import Metric, RealFeatures
from pipeline.metrics.score import Score


def compute(metric: Metric, generated: Features, real: RealFeatures) -> dict[str, Score]:
    """Return the metric's scores by name; the metric must not be one that is computed on request."""
    assert metric.compute is not None
    return metric.compute(generated, real)
