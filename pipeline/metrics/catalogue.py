"""Catalogue: the metrics of every report. A new one is its own file and one line here."""

from __future__ import annotations

from pipeline.metrics import frechet_distance, inception_score, missing_classes
from pipeline.metrics.features import Features, Metric

METRICS: tuple[Metric, ...] = (
    frechet_distance.METRIC,
    inception_score.METRIC,
    missing_classes.METRIC,
)

BETTER: dict[str, str] = {name: better for metric in METRICS for name, better in metric.scores.items()}


def score(judged: Features, real: Features) -> dict[str, float]:
    """Every score of a judged set against real test images."""
    return {name: value for metric in METRICS for name, value in metric.compute(judged, real).items()}
