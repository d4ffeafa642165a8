"""Ladder: every score on graded corruptions of real images, to know which score notices what.

In: a data set's tensors, an extractor and its reference features. Out: `data/metrics/<data set>/ladder/` (for Inception
`inception_ladder/`): `ladder.parquet`, a row for every score of every level, and `ladder.png`, what the levels look
like; the details carry a verdict for every score on every corruption.

Held-out images are divided at random into those that are judged against, those that are corrupted and judged, and spare
ones. So level 0 is real against real with no image on both sides, and no score is judged on images it was made from.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.stats

from pipeline.metrics import CODE_VERSION
from pipeline.metrics.catalogue import BETTER, score
from pipeline.metrics.corruptions import (
    COPIES,
    DUPLICATION,
    IMAGE_CORRUPTIONS,
    LEVELS,
    MODE_DROP,
    SET_CORRUPTIONS,
    Indices,
    copy_training_images,
    corrupt,
    drop_modes,
    duplicate,
)
from pipeline.metrics.extractor import Extractor, joined, require_extractor
from pipeline.metrics.features import Features, Real, Score
from pipeline.metrics.reference import (
    Reference,
    expect_current,
    load_reference,
    require_reference,
    training_order,
)
from pipeline.storage.artefact import Artefact, fingerprint, make_artefact
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import write_grid
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.load import load_split, require_tensors

log = logging.getLogger(__name__)

LADDER_VERSION = "1"  # of the corruptions and of what is made of their scores
IMAGES = 2000  # on either side
FEWEST_IMAGES = 20
TRAIN_IMAGES = 10_000  # that copies are looked for among
CLEAN_DRAWS = 10
SEED = 0
ATTRIBUTES_OF_MODES = 3
SHOWN = 5  # images a level in the picture

SEES, BLIND, MISLED, UNORDERED, UNDEFINED = "sees", "blind", "misled", "unordered", "undefined"
VERDICTS = {
    SEES: "worse with every level, at the last by more than sampling explains",
    BLIND: "within what sampling explains at every level",
    MISLED: "better at some level by more than sampling explains",
    UNORDERED: "worse at some level, but a stronger corruption scores better than a weaker one",
    UNDEFINED: "no value at some level, or of some clean images",
}
TOLERANCE = 3.0  # standard errors of a difference that sampling explains
# An error measured on a few draws is itself uncertain: so much wider, the same share of differences exceeds it.
STUDENT = float(scipy.stats.t.isf(scipy.stats.norm.sf(TOLERANCE), CLEAN_DRAWS - 1)) / TOLERANCE

SCHEMA = pa.schema(
    [
        ("corruption", pa.string()),
        ("level", pa.int64()),
        ("amount", pa.float64()),
        ("metric", pa.string()),
        ("value", pa.float64()),  # null where the score is not defined for these images
        ("standard_error", pa.float64()),  # null where it is not known
        ("better", pa.string()),
    ]
)

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


@dataclass(frozen=True)
class RealImages:
    """The images a ladder stands on, with what the extractor sees in them.

    Places count the held-out images first and then the training images, in the reference's order.
    """

    test: Pixels  # (N, C, H, W) held out
    train: Pixels  # (M, C, H, W) those that copies are looked for among
    features: Features  # (N + M) of both
    modes: Indices | None  # (N,) the mode of each held-out image; None where nothing tells
    images: int  # on either side

    def __post_init__(self) -> None:
        if self.images < FEWEST_IMAGES or 3 * self.images > len(self.test) or self.images > len(self.train):
            raise ValueError(
                f"found {len(self.test)} held-out and {len(self.train)} training images for a ladder of {self.images}, "
                f"expected at least {FEWEST_IMAGES}, three times as many held-out and as many training images"
            )

    @cached_property
    def order(self) -> Indices:
        """The held-out images in a seeded order: against, judged, spare."""
        return np.random.default_rng(SEED).permutation(len(self.test))

    @property
    def judged(self) -> Indices:
        """The places of the images that are corrupted."""
        return self.order[self.images : 2 * self.images]

    @property
    def spare(self) -> Indices:
        """The places of at least as many images, on neither side."""
        return self.order[2 * self.images :]

    @cached_property
    def real(self) -> Real:
        """What is judged against."""
        train = np.arange(len(self.test), len(self.features))
        return Real(self.seen(self.order[: self.images]), self.seen(train))

    def seen(self, places: Indices) -> Features:
        """What the extractor sees in unchanged images."""
        logits = self.features.logits
        return Features(self.features.features[places], None if logits is None else logits[places])

    def pixels(self, places: Indices) -> Pixels:
        """The unchanged images."""
        count = len(self.test)
        return np.stack([self.test[place] if place < count else self.train[place - count] for place in places])

    @property
    def corruptions(self) -> dict[str, tuple[float, ...]]:
        """The amounts of every corruption that these images allow."""
        every = {name: each.amounts for name, each in (IMAGE_CORRUPTIONS | SET_CORRUPTIONS).items()}
        return {name: amounts for name, amounts in every.items() if name != MODE_DROP or self.modes is not None}

    def chosen(self, corruption: str, level: int) -> Indices:
        """The places of the images that a corruption of the set leaves."""
        if corruption == MODE_DROP:
            assert self.modes is not None
            return drop_modes(self.judged, self.spare, self.modes, level)
        if corruption == DUPLICATION:
            return duplicate(self.judged, level)
        assert corruption == COPIES
        return copy_training_images(self.judged, np.arange(len(self.test), len(self.features)), level)


def make_ladder(
    dataset: str, paths: Paths, *, images: int = IMAGES, extractor: str = "classifier", force: bool = False
) -> Artefact:
    """The data set's ladder, computed unless it is there already.

    `images` are judged against as many, fewer where the data set has not three times as many held-out images.
    """
    tensors, seeing = require_tensors(paths, dataset), require_extractor(extractor, dataset, paths)
    reference = require_reference(paths, dataset, extractor)
    expect_current(reference, seeing, tensors)
    facts = {"images": images, "train_images": TRAIN_IMAGES, "clean_draws": CLEAN_DRAWS, "seed": SEED}
    wanted = fingerprint(
        "ladder",
        f"{CODE_VERSION}.{LADDER_VERSION}",
        tensors=tensors.fingerprint,
        extractor=seeing.sha256,
        resize=seeing.resize,
        **facts,
    )

    def fill(folder: Path) -> dict[str, Any]:
        found = real_images(
            load_split(tensors, "test"), load_split(tensors, "train"), load_reference(reference), images
        )
        ladder = climb(found, seeing)
        pq.write_table(pa.Table.from_pylist([asdict(rung) for rung in ladder.rungs], SCHEMA), folder / "ladder.parquet")
        write_picture(folder / "ladder.png", found)
        return {
            "dataset": dataset,
            "extractor": seeing.name,
            "extractor_sha256": seeing.sha256,
            "resize": seeing.resize,
            "tensors": tensors.fingerprint,
            **facts,
            "images": found.images,
            "amounts": {name: list(amounts) for name, amounts in found.corruptions.items()},
            "tolerance": TOLERANCE,
            "spreads": ladder.spreads,
            "verdicts": ladder.verdicts,
            "fid": fid_by_level(ladder.rungs),
            "source": tensors.details["source"],
        }

    return make_artefact(ladder_folder(paths, dataset, extractor), wanted, fill, force=force)


def ladder_folder(paths: Paths, dataset: str, extractor: str = "classifier") -> Path:
    """Where a data set's ladder lies, beside its reference."""
    return paths.root / "metrics" / dataset / ("ladder" if extractor == "classifier" else f"{extractor}_ladder")


def real_images(test: ImageFile, train: ImageFile, reference: Reference, images: int = IMAGES) -> RealImages:
    """The images of a data set's splits with their reference features, divided for a ladder."""
    known = min(len(reference.train), TRAIN_IMAGES)
    return RealImages(
        test.pixels,
        train.pixels[training_order(len(train), known)],
        joined([reference.test, reference.train.first(known)]),
        modes_of(test),
        min(images, len(test) // 3, known),
    )


def modes_of(split: ImageFile) -> Indices | None:
    """What a generator could leave out: classes, or combinations of the attributes that divide images most evenly."""
    attributes = split.columns.get(LABEL_COLUMNS["attributes"])
    if attributes is not None:
        most_even = np.argsort(np.abs(attributes.mean(axis=0) - 0.5), kind="stable")[:ATTRIBUTES_OF_MODES]
        combinations: Indices = attributes[:, most_even].astype(np.int64) @ (1 << np.arange(len(most_even)))
        return combinations
    return split.columns.get(LABEL_COLUMNS["classes"])


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
            metric: _verdict([scores[metric] for scores in levels], BETTER[metric], spreads[metric], times)
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


def _verdict(levels: Sequence[Score], better: str, spread: float, times: Sequence[float]) -> str:
    return judge(levels, sampling_errors(levels, spread, times), better)


def sampling_errors(levels: Sequence[Score], spread: float, times: Sequence[float]) -> list[float]:
    """The standard error of one score at every level: its own where it has one, or else that of clean images.

    `times` is how often each image is there. A score's own error takes images for independent: not so of copies, of
    which clean images have sqrt(times) the error.
    """
    own = [each.standard_error for each in levels]
    if max(times) > 1 or None in own:
        return [STUDENT * spread * count**0.5 for count in times]
    return [error for error in own if error is not None]


def judge(levels: Sequence[Score], errors: Sequence[float], better: str) -> str:
    """One score with its standard error at every level of one corruption → a key of `VERDICTS`."""
    if any(map(math.isnan, [*(each.value for each in levels), *errors])):
        return UNDEFINED
    goodness = [each.value * (1 if better == "higher" else -1) for each in levels]
    known = list(zip(goodness, errors, strict=True))
    gains = [_in_errors(known[0], each) for each in known]
    recoveries = [_in_errors(one, other) for one, other in itertools.pairwise(known)]
    if max(gains) > TOLERANCE:
        return MISLED
    if min(gains) >= -TOLERANCE:
        return BLIND
    if gains[-1] < -TOLERANCE and max(recoveries) <= TOLERANCE:
        return SEES
    return UNORDERED


def _in_errors(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The difference of two values, each given with its standard error, in standard errors of the difference."""
    difference, error = other[0] - one[0], math.hypot(one[1], other[1])
    if difference == 0:
        return 0.0
    return difference / error if error > 0 else math.copysign(math.inf, difference)


def fid_by_level(rungs: Sequence[Rung]) -> dict[str, list[float | None]]:
    """The Fréchet distance at each level, by corruption."""
    found: dict[str, list[float | None]] = {}
    for rung in rungs:
        if rung.metric == "fid":
            found.setdefault(rung.corruption, []).append(rung.value)
    return found


def write_picture(path: Path, found: RealImages) -> None:
    """A row a corruption: the first images at level 0, the same places at level 1, and so on."""
    tiles = [
        _pixels(found, corruption, level, found.judged[:SHOWN])
        for corruption in found.corruptions
        for level in range(LEVELS)
    ]
    write_grid(path, np.concatenate(tiles), SHOWN * LEVELS, scale=2)


def _pixels(found: RealImages, corruption: str, level: int, places: Indices) -> Pixels:
    if corruption in IMAGE_CORRUPTIONS:
        return corrupt(corruption, found.pixels(places), level, SEED)
    return found.pixels(found.chosen(corruption, level)[: len(places)])


def _scores(found: RealImages, extractor: Extractor, corruption: str, level: int) -> Scores:
    if corruption in IMAGE_CORRUPTIONS:
        seen = extractor.extract(_pixels(found, corruption, level, found.judged))
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
