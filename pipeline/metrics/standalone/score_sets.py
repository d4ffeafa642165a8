"""Score sets: every score that two sets of images allow, with errors and with notes on what limits each score.

In: the outputs of an extractor for generated images (features, class probabilities, or both), and the real side:
features of real images, a Gaussian fitted to them, or nothing. Out: `SetScores`. A score that is not defined for the
sets is left out and a note gives the reason; no score is ever made up. Which scores exist and what each one needs comes
from the metrics themselves (`catalogue.py`). Pure: reads no file, draws nothing at random.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.metrics.catalogue import METRICS
from pipeline.metrics.features import IMAGENET, Features, Matrix
from pipeline.metrics.frechet_distance import expect_comparable_features
from pipeline.metrics.metric import Metric, Need, RealFeatures
from pipeline.metrics.moments import Moments
from pipeline.metrics.score import Score
from pipeline.metrics.squared_distances import Frame, TooLargeError

log = logging.getLogger(__name__)

MANY_IMAGES = 10_000  # Heusel et al. 2017 ask for as many
LONG_PRODUCTS = 2e10  # multiplications; more take seconds, so a line in the log announces the metric
LEAST_LOG_P = -1e4  # exp of it is 0 in float64, so that it stands for the logarithm of 0 where logits must be finite


@dataclass(frozen=True)
class GeneratedSet:
    """The outputs of an extractor for a set of generated images."""

    features: Matrix | None  # (N, D)
    log_p: Matrix | None = None  # (N, C) logarithms of class probabilities

    def __post_init__(self) -> None:
        outputs = [values for values in (self.features, self.log_p) if values is not None]
        if not outputs or any(len(values) != len(outputs[0]) for values in outputs):
            rows = " and ".join(f"{len(values):,} rows" for values in outputs) or "nothing"
            raise ValueError(f"found {rows}, expected features, probabilities, or both with one row per image")

    def __len__(self) -> int:
        values = self.log_p if self.features is None else self.features
        return 0 if values is None else len(values)


@dataclass(frozen=True)
class SetScores:
    """The scores of a set of generated images."""

    scores: Mapping[str, Score]  # the defined ones, by name
    notes: tuple[str, ...]  # why other scores are not defined, and what limits these; sentences
    n_generated: int
    n_real: int | None = None
    n_train: int | None = None
    dimensions: int | None = None
    neighbours: int | None = None  # k


@dataclass(frozen=True)
class _Part:
    """Scores and notes of one metric or of one group of metrics."""

    scores: Mapping[str, Score]
    notes: tuple[str, ...] = ()


def standalone_metrics() -> list[Metric]:
    """Return the metrics for images of any origin: those that need neither a generator nor a data set's classes.

    First come those that compare features, then those of probabilities, and last those that look for copies.
    """
    metrics = [metric for metric in METRICS if not metric.is_thorough and IMAGENET in metric.labels]
    return sorted(metrics, key=lambda metric: (Need.TRAINING_IMAGES in metric.needs, Need.FEATURES not in metric.needs))


def score_sets(generated: GeneratedSet, real: RealFeatures | Moments | None) -> SetScores:
    """Compute every defined score. Raise `ValueError` for sets of 1 image, unequal dimensions or values not finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # a score that overflows is left out, with a note
        return _without_overflow(_score_sets(generated, real))


def _score_sets(generated: GeneratedSet, real: RealFeatures | Moments | None) -> SetScores:
    parts, result = [], SetScores({}, (), len(generated))
    if generated.features is not None:
        result = replace(result, dimensions=generated.features.shape[1])
        if isinstance(real, RealFeatures):
            parts += _against_images(generated, generated.features, real)
            n_train = None if real.train is None else len(real.train)
            result = replace(result, n_real=len(real.test), n_train=n_train, neighbours=real.neighbours)
        elif isinstance(real, Moments):
            parts.append(_against_moments(generated.features, real))
    if generated.log_p is not None:
        parts += [_from_probabilities(metric, generated.log_p) for metric in _probability_metrics()]
    scores = {name: score for part in parts for name, score in part.scores.items()}
    return replace(result, scores=scores, notes=tuple(note for part in parts for note in part.notes))


# ---------------------------------------------------------------------------------------------------------------------
# Features against features


def _against_images(generated: GeneratedSet, features: Matrix, real: RealFeatures) -> list[_Part]:
    # -inf, the logarithm of probability 0, is no finite logit; the least value below gives the same probabilities
    logits = None if generated.log_p is None else np.maximum(generated.log_p, LEAST_LOG_P)
    parts = []
    for group, images in ((_with_features(train=False), real.test), (_with_features(train=True), real.train)):
        if images is None:
            continue
        expect_comparable_features(features, images.features)
        overflow = _overflow(features, images.features)
        if overflow:
            names = [name for metric in group for name in metric.names]
            parts.append(_Part({}, (f"{_listed(names)}: not defined, {overflow}",)))
        else:
            parts += [_compute(metric, Features(features, logits), real, len(images)) for metric in group]
    return [_Part({}, _few_images(min(len(features), len(real.test)))), *parts]


def _with_features(*, train: bool) -> list[Metric]:
    """Return the metrics that compare features with those of training images, or else with those of test images."""
    metrics = [metric for metric in standalone_metrics() if Need.FEATURES in metric.needs]
    return [metric for metric in metrics if (Need.TRAINING_IMAGES in metric.needs) == train]


def _overflow(*sets: Matrix) -> str:
    """Return why squared distances between these rows cannot be computed; empty if they can."""
    try:
        Frame.around(*sets)
    except TooLargeError as error:
        return str(error)
    return ""


def _compute(metric: Metric, generated: Features, real: RealFeatures, other_images: int) -> _Part:
    if Need.PROBABILITIES in metric.needs and generated.logits is None:
        return _Part({}, (f"{_listed(metric.names)}: not defined, found no class probabilities",))
    fewest = min(len(generated), other_images)
    if fewest * max(len(generated), other_images) * generated.features.shape[1] > LONG_PRODUCTS:
        log.info("%s of %s and %s images", _listed(metric.names), f"{len(generated):,}", f"{other_images:,}")
    notes = _too_few(metric, fewest, real.neighbours)
    if all(fewest < metric.fewest_images(score, real.neighbours) for score in metric.scores):
        return _Part({}, notes)
    return _part(metric.compute(generated, real), notes)


def _against_moments(features: Matrix, real: Moments) -> _Part:
    if real.mean.size != features.shape[1]:
        raise ValueError(
            f"found features of {features.shape[1]} values and statistics of {real.mean.size}, expected equally many"
        )
    metrics = _with_features(train=False)
    scores: dict[str, Score] = {}
    overflow = _overflow(features)
    if not overflow:
        for metric in metrics:
            scores |= {} if metric.from_moments is None else metric.from_moments(features, real)
    lacking = [name for metric in metrics for name in metric.names if name not in scores]
    if overflow:
        return _Part({}, (f"{_listed(lacking)}: not defined, {overflow}",))
    note = (
        f"the real images are known by mean and covariance alone: that gives {_listed(list(scores))} without a "
        f"standard error, and not {_listed(lacking)}"
    )
    return _part(scores, (note, *_few_images(len(features))))


def _few_images(fewest: int) -> tuple[str, ...]:
    if fewest >= MANY_IMAGES:
        return ()
    return (
        f"{fewest:,} images are fewer than {MANY_IMAGES:,}: all scores but kid and those at infinity depend on how "
        "many there are, so compare them at equal counts only",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Probabilities alone


def _probability_metrics() -> list[Metric]:
    return [metric for metric in standalone_metrics() if metric.needs == (Need.PROBABILITIES,)]


def _from_probabilities(metric: Metric, log_p: Matrix) -> _Part:
    if metric.from_probabilities is None:
        return _Part({}, (f"{_listed(metric.names)}: not defined for probabilities without images",))
    return _part(metric.from_probabilities(log_p), _too_few(metric, len(log_p), neighbours=0))


# ---------------------------------------------------------------------------------------------------------------------
# Notes


def _part(scores: Mapping[str, Score], notes: tuple[str, ...]) -> _Part:
    return _Part(scores, (*notes, *(note for score in scores.values() for note in score.notes)))


def _too_few(metric: Metric, images: int, neighbours: int) -> tuple[str, ...]:
    """Return one note per number of images that some scores of the metric lack."""
    lacking: dict[int, list[str]] = {}
    for score in metric.scores:
        fewest = metric.fewest_images(score, neighbours)
        if images < fewest:
            lacking.setdefault(fewest, []).append(score.name)
    reason = f", more than k = {neighbours}" if Need.NEIGHBOURS in metric.needs else ""
    return tuple(
        f"{_listed(names)}: not defined, found {images} images, expected at least {fewest}{reason}"
        for fewest, names in lacking.items()
    )


def _listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: "fid, kid and recall"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _without_overflow(result: SetScores) -> SetScores:
    """Leave out scores that overflowed: squares of features near the largest float are not finite."""
    lost = [name for name, score in result.scores.items() if not math.isfinite(score.value)]
    finite = {name: _with_finite_error(score) for name, score in result.scores.items() if name not in lost}
    notes = tuple(f"{name}: not defined, the features' values are too large to compute with" for name in lost)
    return replace(result, scores=finite, notes=result.notes + notes)


def _with_finite_error(score: Score) -> Score:
    is_finite = score.standard_error is not None and math.isfinite(score.standard_error)
    return score if is_finite else replace(score, standard_error=None)
