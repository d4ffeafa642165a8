"""Catalogue: the metrics of every report. A new one is its own file and one line here."""

from __future__ import annotations

from pipeline.metrics import (
    frechet_interval,
    inception_score,
    kernel_distance,
    memorisation,
    missing_classes,
    per_class_frechet_distance,
    precision_recall,
)
from pipeline.metrics.features import Features, Metric, Real, Score

METRICS: tuple[Metric, ...] = (
    frechet_interval.METRIC,
    inception_score.METRIC,
    kernel_distance.METRIC,
    precision_recall.METRIC,
    missing_classes.METRIC,
    per_class_frechet_distance.METRIC,
    memorisation.METRIC,
)
FINDING_COPIES = tuple(metric for metric in METRICS if metric.needs_train)

BETTER: dict[str, str] = {name: better for metric in METRICS for name, better in metric.scores.items()}


def score(judged: Features, real: Real, labels: str, metrics: tuple[Metric, ...] = METRICS) -> dict[str, Score]:
    """Every score, defined for logits of that kind, of a judged set against real images."""
    defined = [metric for metric in _defined_for(labels, with_train=real.train is not None) if metric in metrics]
    return {name: value for metric in defined for name, value in metric.compute(judged, real).items()}


def score_names(labels: str, *, with_train: bool = True) -> list[str]:
    """The scores that are defined for logits of a kind, in order."""
    return [name for metric in _defined_for(labels, with_train=with_train) for name in metric.scores]


def score_notes(labels: str) -> dict[str, str]:
    """What a reader must know of scores that logits of this kind give, by score."""
    return {name: metric.notes[labels] for metric in METRICS if labels in metric.notes for name in metric.scores}


def _defined_for(labels: str, *, with_train: bool) -> list[Metric]:
    return [metric for metric in METRICS if labels in metric.labels and (with_train or not metric.needs_train)]
