"""Catalogue: the list of all metrics. A new metric is one file beside this one, its import and its line here."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.metrics import (
    frechet_interval,
    gan_train,
    inception_score,
    kernel_distance,
    memorisation,
    missing_classes,
    path_length,
    per_class_frechet_distance,
    precision_recall,
)
from pipeline.metrics.features import Features
from pipeline.metrics.metric import Direction, Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.score import Score

METRICS: tuple[Metric, ...] = (
    frechet_interval.METRIC,
    inception_score.METRIC,
    kernel_distance.METRIC,
    precision_recall.METRIC,
    missing_classes.METRIC,
    per_class_frechet_distance.METRIC,
    memorisation.METRIC,
    gan_train.METRIC,
    path_length.METRIC,
)
DEFINITIONS: dict[str, ScoreDefinition] = {score.name: score for metric in METRICS for score in metric.scores}
BETTER_DIRECTIONS: dict[str, Direction] = {name: score.better for name, score in DEFINITIONS.items()}


def definition(name: str) -> ScoreDefinition:
    """Return the definition of a score; for a name in an older report, one that shows the name itself."""
    unknown = ScoreDefinition(name, name.replace("_", " "), "This version of ganforge has no such score.", "neither")
    return DEFINITIONS.get(name, unknown)


def report_metrics(labels: str) -> list[Metric]:
    """Return the metrics of every report that are defined for logits of this meaning, in order."""
    return [metric for metric in _defined(labels) if not metric.is_thorough]


def score(
    generated: Features, real: RealFeatures, labels: str, metrics: Sequence[Metric] | None = None
) -> dict[str, Score]:
    """Compute the scores of these metrics, by default all, that are defined for logits of this meaning."""
    scores: dict[str, Score] = {}
    for metric in _defined(labels, with_train=real.train is not None):
        if not metric.is_thorough and (metrics is None or metric in metrics):
            scores |= metric.compute(generated, real)
    return scores


def score_names(labels: str, *, thorough: bool = False) -> list[str]:
    """Return the names of the scores of a report, in order; `thorough` adds the slow ones."""
    metrics = _defined(labels)
    return [name for metric in metrics if thorough or not metric.is_thorough for name in metric.names]


def thorough_names() -> list[str]:
    """Return the names of the slow scores, in order."""
    return [name for metric in METRICS if metric.is_thorough for name in metric.names]


def score_notes(labels: str) -> dict[str, str]:
    """Return by score the note for readers of scores that come from logits of this meaning."""
    return {name: metric.notes[labels] for metric in METRICS if labels in metric.notes for name in metric.names}


def _defined(labels: str, *, with_train: bool = True) -> list[Metric]:
    return [
        metric
        for metric in METRICS
        if labels in metric.labels and (with_train or Need.TRAINING_IMAGES not in metric.needs)
    ]
