"""Climb: every score of every level of every corruption, and what each score's verdict is.

In: the real images with their features, and the extractor that sees the corrupted ones. Out: `Ladder`. Repeats: what is
drawn at random comes from one seed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.catalogue import BETTER, score
from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.ladder.corruptions import DUPLICATION, IMAGE_CORRUPTIONS, LEVELS, corrupt
from pipeline.metrics.ladder.real_images import SEED, RealImages
from pipeline.metrics.ladder.verdicts import CLEAN_DRAWS, verdict
from pipeline.metrics.score import Score

log = logging.getLogger(__name__)

Scores = Mapping[str, Score]


@dataclass(frozen=True)
class Rung:
    """One score of one level of one corruption: a row of the table."""

    corruption: str
    level: int
    amount: float
    metric: str
    value: float | None  # None where it is not defined
    standard_error: float | None
    better: str  # "lower" | "higher" | "neither"


@dataclass(frozen=True)
class Ladder:
    """All scores, and what they make of each corruption."""

    rungs: list[Rung]
    spreads: dict[str, float | None]  # standard deviation of each score over draws of clean images, None: undefined
    verdicts: dict[str, dict[str, str]]  # by corruption and metric; without metrics of which neither end is better


def climb(found: RealImages, extractor: Extractor) -> Ladder:
    """Every score of every level of every corruption, and a verdict on each."""
    clean = score(found.seen(found.judged), found.real, extractor.labels)
    spreads = clean_spreads(found, extractor.labels)
    rungs: list[Rung] = []
    verdicts: dict[str, dict[str, str]] = {}
    for corruption, amounts in found.corruptions.items():
        levels = [clean, *(_scores(found, extractor, corruption, level) for level in range(1, LEVELS))]
        rungs += [rung for level, amount in enumerate(amounts) for rung in _rungs(corruption, level, amount, levels)]
        log.info("ladder: %s done, %d of %d corruptions", corruption, len(verdicts) + 1, len(found.corruptions))
        times = amounts if corruption == DUPLICATION else (1.0,) * LEVELS
        verdicts[corruption] = {
            metric: verdict([scores[metric] for scores in levels], BETTER[metric], spreads[metric], times)
            for metric in clean
            if BETTER[metric] != "neither"
        }
    finite = {name: None if math.isnan(spread) else spread for name, spread in spreads.items()}
    return Ladder(rungs, finite, verdicts)


def clean_spreads(found: RealImages, labels: str) -> dict[str, float]:
    """The standard deviation of each score from one draw of clean images to another, against the same images.

    Draws of n among P images overlap and so agree too well: their variance is 1 - n/P of that of independent draws.
    """
    pool = np.concatenate([found.judged, found.spare])
    random = np.random.default_rng(SEED)
    draws = [random.permutation(pool)[: found.images] for _ in range(CLEAN_DRAWS)]
    scores = [score(found.seen(draw), found.real, labels) for draw in draws]
    independent = (1 - found.images / len(pool)) ** 0.5
    return {name: float(np.std([each[name].value for each in scores], ddof=1)) / independent for name in scores[0]}


def _scores(found: RealImages, extractor: Extractor, corruption: str, level: int) -> Scores:
    if corruption in IMAGE_CORRUPTIONS:
        seen = extractor.extract(corrupt(corruption, found.pixels(found.judged), level, SEED))
    else:
        seen = found.seen(found.chosen(corruption, level))
    return score(seen, found.real, extractor.labels)


def _rungs(corruption: str, level: int, amount: float, levels: Sequence[Scores]) -> list[Rung]:
    return [
        Rung(
            corruption,
            level,
            amount,
            metric,
            None if math.isnan(each.value) else each.value,
            each.standard_error,
            BETTER[metric],
        )
        for metric, each in levels[level].items()
    ]
