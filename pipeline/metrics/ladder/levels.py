"""Levels: every score of every level of every corruption, and a verdict on each score.

In: the real images with their features, and the extractor for the corrupted images. Out: `Ladder`. All random numbers
come from one seed, so the result repeats.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.catalogue import BETTER_DIRECTIONS, score
from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.ladder.corruptions import DUPLICATION, IMAGE_CORRUPTIONS, LEVELS, corrupt
from pipeline.metrics.ladder.real_images import SEED, RealImages
from pipeline.metrics.ladder.verdicts import CLEAN_DRAWS, verdict
from pipeline.metrics.score import Score

log = logging.getLogger(__name__)

Scores = Mapping[str, Score]


@dataclass(frozen=True)
class LadderRow:
    """One row of the table: one score of one level of one corruption."""

    corruption: str
    level: int
    amount: float
    metric: str
    value: float | None  # None if the score is not defined
    standard_error: float | None
    better: str  # "lower" | "higher" | "neither"


@dataclass(frozen=True)
class Ladder:
    """All scores, and their verdicts on each corruption."""

    rows: list[LadderRow]
    spreads: dict[str, float | None]  # standard deviation of each score over sets of clean images; None: undefined
    verdicts: dict[str, dict[str, str]]  # by corruption and score; without scores that have no better direction


def score_levels(images: RealImages, extractor: Extractor) -> Ladder:
    """Return every score of every level of every corruption, with the verdicts."""
    clean = score(images.features_of(images.to_corrupt), images.real, extractor.labels)
    spreads = clean_spreads(images, extractor.labels)
    rows: list[LadderRow] = []
    verdicts: dict[str, dict[str, str]] = {}
    for corruption, amounts in images.corruptions.items():
        levels = [clean, *(_scores(images, extractor, corruption, level) for level in range(1, LEVELS))]
        rows += [row for level, amount in enumerate(amounts) for row in _rows(corruption, level, amount, levels[level])]
        log.info("ladder: %s done, %d of %d corruptions", corruption, len(verdicts) + 1, len(images.corruptions))
        times = amounts if corruption == DUPLICATION else (1.0,) * LEVELS
        verdicts[corruption] = {
            metric: verdict([scores[metric] for scores in levels], BETTER_DIRECTIONS[metric], spreads[metric], times)
            for metric in clean
            if BETTER_DIRECTIONS[metric] != "neither"
        }
    finite = {name: None if math.isnan(spread) else spread for name, spread in spreads.items()}
    return Ladder(rows, finite, verdicts)


def clean_spreads(images: RealImages, labels: str) -> dict[str, float]:
    """Return the standard deviation of each score over random sets of clean images, against the same images.

    Sets of n among P images overlap and so agree too well: their variance is 1 - n/P of that of independent sets.
    """
    pool = np.concatenate([images.to_corrupt, images.spare])
    random = np.random.default_rng(SEED)
    clean_sets = [random.permutation(pool)[: images.images] for _ in range(CLEAN_DRAWS)]
    scores = [score(images.features_of(rows), images.real, labels) for rows in clean_sets]
    overlap = (1 - images.images / len(pool)) ** 0.5
    return {name: float(np.std([row[name].value for row in scores], ddof=1)) / overlap for name in scores[0]}


def _scores(images: RealImages, extractor: Extractor, corruption: str, level: int) -> Scores:
    if corruption in IMAGE_CORRUPTIONS:
        features = extractor.extract(corrupt(corruption, images.pixels(images.to_corrupt), level, SEED))
    else:
        features = images.features_of(images.rows_after(corruption, level))
    return score(features, images.real, extractor.labels)


def _rows(corruption: str, level: int, amount: float, scores: Scores) -> list[LadderRow]:
    return [
        LadderRow(
            corruption,
            level,
            amount,
            metric,
            None if math.isnan(score.value) else score.value,
            score.standard_error,
            BETTER_DIRECTIONS[metric],
        )
        for metric, score in scores.items()
    ]
