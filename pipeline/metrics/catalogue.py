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


def score(judged: Features, real: Features, labels: str) -> dict[str, float]:
    """Every score, defined for logits of that kind, of a judged set against real test images."""
    return {name: value for metric in _defined_for(labels) for name, value in metric.compute(judged, real).items()}


def score_names(labels: str) -> list[str]:
    """The scores that are defined for logits of a kind, in order."""
    return [name for metric in _defined_for(labels) for name in metric.scores]


def score_notes(labels: str) -> dict[str, str]:
    """What a reader must know of scores that logits of this kind give, by score."""
    return {name: metric.notes[labels] for metric in METRICS if labels in metric.notes for name in metric.scores}


def _defined_for(labels: str) -> list[Metric]:
    return [metric for metric in METRICS if labels in metric.labels]
