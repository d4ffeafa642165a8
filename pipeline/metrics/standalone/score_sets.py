"""Score sets: every score that two sets of images allow, with errors, and in words what each can be trusted for.

In: what an extractor saw in generated images (features, class probabilities, or both), and what they are judged
against: features of real images, a Gaussian alone, or nothing. Out: `SetScores`. What is not defined for the sets is
not among the scores, and a note says why; no score is ever made up. The formulas are in a file each; here it is only
decided which of them apply. Pure: nothing is read, nothing is drawn at random.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.metrics import frechet_interval, inception_score, kernel_distance, memorisation, precision_recall
from pipeline.metrics.features import Features, Matrix, Real, Score
from pipeline.metrics.frechet_distance import (
    FrechetDistance,
    expect_comparable,
    frechet_distance,
    frechet_distance_of_moments,
)
from pipeline.metrics.frechet_interval import FrechetEstimate, estimate_frechet
from pipeline.metrics.moments import Moments, fit_moments
from pipeline.metrics.squared_distances import Frame, TooLargeError

log = logging.getLogger(__name__)

MANY_IMAGES = 10_000  # Heusel et al. 2017 ask for as many
NEIGHBOURHOODS = "precision, recall, density and coverage"
LONG_PRODUCTS = 2e10  # multiplications; more take seconds, and a line in the log says what is going on


@dataclass(frozen=True)
class Judged:
    """What an extractor saw in generated images."""

    features: Matrix | None  # (N, D)
    log_p: Matrix | None = None  # (N, C) logarithms of class probabilities, for the Inception Score


@dataclass(frozen=True)
class SetScores:
    """The scores of a set of generated images."""

    scores: Mapping[str, Score]  # those that are defined
    notes: tuple[str, ...]  # why others are not, and what to know of these; sentences
    n_generated: int
    n_real: int | None = None
    n_train: int | None = None
    dimensions: int | None = None
    neighbours: int | None = None  # k
    distance: FrechetDistance | None = None


@dataclass(frozen=True)
class _Part:
    """What one metric adds."""

    scores: Mapping[str, Score] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    distance: FrechetDistance | None = None


def score_sets(judged: Judged, real: Real | Moments | None) -> SetScores:
    """Every score that is defined; at least 2 images a set, equal dimensions, finite values, or a `ValueError`."""
    with np.errstate(over="ignore", invalid="ignore"):  # a score that overflows is left out, and a note says so
        return _finite_only(_score_sets(judged, real))


def _score_sets(judged: Judged, real: Real | Moments | None) -> SetScores:
    parts, counts = [], SetScores({}, (), _count(judged))
    if judged.features is not None and isinstance(real, Real):
        expect_comparable(judged.features, real.test.features)
        parts += _of_features(judged.features, real)
        counts = replace(counts, n_real=len(real.test), neighbours=real.neighbours)
        counts = replace(counts, n_train=None if real.train is None else len(real.train))
    elif judged.features is not None and isinstance(real, Moments):
        parts.append(_of_moments(judged.features, real))
    if judged.features is not None:
        counts = replace(counts, dimensions=judged.features.shape[1])
    if judged.log_p is not None:
        parts.append(_inception(judged.log_p))
    scores = {name: score for part in parts for name, score in part.scores.items()}
    notes = [note for part in parts for note in part.notes]
    distance = next((part.distance for part in parts if part.distance is not None), None)
    return replace(counts, scores=scores, notes=tuple(notes), distance=distance)


def _count(judged: Judged) -> int:
    sets = [values for values in (judged.features, judged.log_p) if values is not None]
    if not sets or any(len(values) != len(sets[0]) for values in sets):
        found = " and ".join(f"{len(values):,} rows" for values in sets) or "nothing"
        raise ValueError(f"found {found}, expected features, probabilities, or both with a row an image")
    return len(sets[0])


def _of_features(generated: Matrix, real: Real) -> list[_Part]:
    work = len(generated) * len(real.test) * generated.shape[1]
    too_large = _too_large(f"fid, fid_infinity, kid, {NEIGHBOURHOODS}", generated, real.test.features)
    if too_large:
        return [_Part(notes=too_large), _copies(generated, real)]
    parts = []
    for name, part in (("fid", _frechet), ("kid", _kernel), ("precision and recall", _neighbourhoods)):
        if work > LONG_PRODUCTS:
            log.info("%s of %s and %s images", name, f"{len(generated):,}", f"{len(real.test):,}")
        parts.append(part(generated, real))
    return [*parts, _copies(generated, real)]


def _too_large(names: str, *sets: Matrix) -> tuple[str, ...]:
    """Why these scores are not defined, where squares of distances overflow."""
    try:
        Frame.around(*sets)
    except TooLargeError as error:
        return (f"{names}: not defined, {error}",)
    return ()


def _frechet(generated: Matrix, real: Real) -> _Part:
    fewest, dimensions = min(len(generated), len(real.test)), generated.shape[1]
    notes = _few_images(fewest, dimensions)
    if fewest < frechet_interval.FEWEST_IMAGES:
        distance = frechet_distance(generated, real.test.features)
        missing = f"fid_infinity: {_too_few(fewest, frechet_interval.FEWEST_IMAGES)}, nor has fid a standard error"
        return _Part({"fid": Score(distance.value)}, (*notes, missing), distance)
    found = estimate_frechet(generated, real.test.features)
    scores = {
        "fid": Score(found.distance.value, found.standard_error),
        "fid_infinity": Score(found.infinity, None if found.note else found.infinity_standard_error),
    }
    return _Part(scores, (*notes, *_on_infinity(found)), found.distance)


def _few_images(fewest: int, dimensions: int) -> tuple[str, ...]:
    notes = []
    if fewest <= dimensions:
        notes.append(
            f"fid: {fewest:,} images for {dimensions:,} dimensions leave a covariance singular; the distance is exact, "
            "but far above that of many images"
        )
    if fewest < MANY_IMAGES:
        notes.append(
            f"{fewest:,} images are fewer than {MANY_IMAGES:,}: all scores but kid and those at infinity depend on how "
            "many there are, so compare them at equal counts only"
        )
    return tuple(notes)


def _on_infinity(found: FrechetEstimate) -> tuple[str, ...]:
    if found.note:
        return (f"fid_infinity is not to be trusted: {found.note}",)
    if found.infinity < 0:
        return ("fid_infinity is below 0: beyond the bias of few images, nothing but noise is left between the sets",)
    return ()


def _kernel(generated: Matrix, real: Real) -> _Part:
    fewest = min(len(generated), len(real.test))
    if fewest < kernel_distance.LEAST_IMAGES:
        return _Part(notes=(f"kid: {_too_few(fewest, kernel_distance.LEAST_IMAGES)}",))
    return _Part(kernel_distance.METRIC.compute(Features(generated), real))


def _neighbourhoods(generated: Matrix, real: Real) -> _Part:
    fewest, needed = min(len(generated), len(real.test)), real.neighbours + 1
    if fewest < needed:
        return _Part(notes=(f"{NEIGHBOURHOODS}: {_too_few(fewest, needed)}, more than k = {real.neighbours}",))
    return _Part(precision_recall.METRIC.compute(Features(generated), real))


def _copies(generated: Matrix, real: Real) -> _Part:
    if real.train is None:
        return _Part()
    expect_comparable(generated, real.train.features)
    too_large = _too_large(" and ".join(memorisation.METRIC.scores), generated, real.train.features)
    if too_large:
        return _Part(notes=too_large)
    return _Part(memorisation.METRIC.compute(Features(generated), real))


def _of_moments(generated: Matrix, real: Moments) -> _Part:
    if real.mean.size != generated.shape[1]:
        raise ValueError(
            f"found features of {generated.shape[1]} values and statistics of {real.mean.size}, expected equally many"
        )
    too_large = _too_large("fid", generated)
    if too_large:
        return _Part(notes=too_large)
    distance = frechet_distance_of_moments(fit_moments(generated), real)
    alone = (
        "the real images are known by mean and covariance alone: that gives fid, without a standard error and without "
        "fid_infinity, and neither kid nor precision, recall, density and coverage"
    )
    return _Part({"fid": Score(distance.value)}, (alone, *_few_images(len(generated), generated.shape[1])), distance)


def _inception(log_p: Matrix) -> _Part:
    found = inception_score.estimate_inception_score(log_p)
    scores, notes = {"inception_score": Score(found.value, found.standard_error)}, []
    if len(log_p) >= inception_score.FEWEST_IMAGES:
        scores["inception_score_infinity"] = Score(found.infinity, found.infinity_standard_error)
    else:
        notes.append(f"inception_score_infinity: {_too_few(len(log_p), inception_score.FEWEST_IMAGES)}")
    if len(log_p) >= inception_score.SPLITS:
        mean, deviation = inception_score.split_inception_score(log_p)
        scores |= {"inception_score_splits_mean": Score(mean), "inception_score_splits_std": Score(deviation)}
    else:
        notes.append(f"inception_score_splits: {_too_few(len(log_p), inception_score.SPLITS)}, one a split")
    return _Part(scores, tuple(notes))


def _too_few(found: int, needed: int) -> str:
    return f"not defined, found {found} images, expected at least {needed}"


def _finite_only(found: SetScores) -> SetScores:
    """Without scores that overflowed: features near the largest float have squares that are no numbers."""
    lost = [name for name, score in found.scores.items() if not math.isfinite(score.value)]
    kept = {name: _with_finite_error(score) for name, score in found.scores.items() if name not in lost}
    notes = tuple(f"{name}: not defined, the features' values are too large to compute with" for name in lost)
    return replace(found, scores=kept, notes=found.notes + notes)


def _with_finite_error(score: Score) -> Score:
    known = score.standard_error is not None and math.isfinite(score.standard_error)
    return score if known else replace(score, standard_error=None)
