"""Score a partition: compute every metric of every member, beside floor and ceiling, and store the report.

In: the samples artefact and the data set's judge (`judge.py`). Out: one stored report, and beside it the scores along
the training (`by_step.py`). Features are computed once per member; every score is computed from them.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.metrics.catalogue import BETTER_DIRECTIONS, score, score_names, score_notes
from pipeline.metrics.features import Features
from pipeline.metrics.score import NORMAL_95, Score
from pipeline.reports import report_identity, store
from pipeline.reports.by_step import keep_scores_by_step
from pipeline.reports.copies import closest_pairs, write_pairs
from pipeline.reports.judge import Judge
from pipeline.reports.origin import shared_columns
from pipeline.reports.thorough import Thorough
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact, require_artefact
from pipeline.storage.images import ImageFile, Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.training.details import TrainingDetails
from pipeline.training.trained import require_training

log = logging.getLogger(__name__)

PAIRS_PICTURE = "_nearest_training_images.png"  # beside the newest report
LOGGED = ("fid", "inception_score", "precision", "recall", "missing_classes")


class StaleInputError(ValueError):
    """Inputs do not belong together; the message names the assets to materialize again."""


@dataclass(frozen=True)
class Scored:
    """A partition's report, new or stored before."""

    report: store.Report
    cached: bool  # True if it was stored before


@dataclass(frozen=True)
class _ScoredMembers:
    """The scores of a partition's members, and their generated images closest to training images."""

    scores: dict[int, dict[str, Score]]  # member → name → score
    pairs: list[Pixels]  # per member, see `copies.closest_pairs`


def score_partition(
    recipe: str, optimizer: str, judge: Judge, paths: Paths, *, run_id: str = "", force: bool = False
) -> Scored:
    """Return the partition's report; compute and store it unless the newest one has the same samples and protocol.

    The scores along its training are stored too, unless they exist. `force` computes everything again.
    """
    samples = require_artefact(paths.samples(recipe, optimizer), "samples", f"{recipe}/samples, partition {optimizer},")
    training = require_training(paths, recipe, optimizer)
    _expect_belonging(samples, training, judge)
    scored = _find_or_score(samples, training, judge, paths.reports(), run_id, force=force)
    keep_scores_by_step(training, judge, paths, force=force)
    return scored


def _find_or_score(
    samples: Artefact, training: Artefact, judge: Judge, root: Path, run_id: str, *, force: bool
) -> Scored:
    protocol = judge.protocol(samples)
    plain, thorough = (
        report_identity(
            samples, protocol, score_names(judge.reference.labels, thorough=is_thorough), thorough=is_thorough
        ).fingerprint
        for is_thorough in (False, True)
    )
    # A thorough report has all scores of a plain one, so it is accepted in place of one.
    fingerprint, accepted = (plain, (plain, thorough)) if judge.thorough is None else (thorough, (thorough,))
    details = samples.details_as(SamplesDetails)
    newest = store.latest(root, details.recipe, details.optimizer)
    if newest is not None and newest.fingerprint in accepted and not force:
        return Scored(newest, cached=True)
    started = time.perf_counter()
    shared = {**shared_columns(judge, protocol, samples, training), "fingerprint": fingerprint, "run_id": run_id}
    members = _score_members(samples, training, judge)
    rows = _rows(members.scores, judge, protocol["n_generated"])
    shared["scoring_seconds"] = round(time.perf_counter() - started, 2)
    report = store.append(root, [{**shared, **row} for row in rows])
    write_pairs(report.path.with_name(PAIRS_PICTURE), members.pairs)
    return Scored(report, cached=False)


def _rows(scores: dict[int, dict[str, Score]], judge: Judge, count: int) -> list[dict[str, Any]]:
    """Return the columns that differ between rows: one row per member and score."""
    floor, ceiling = judge.anchors(count)
    notes = score_notes(judge.reference.labels)
    return [
        {
            "member": member,
            "metric": metric,
            **_numbers(member_scores.get(metric)),
            "floor": floor.get(metric),
            "ceiling": ceiling.get(metric),
            "better": BETTER_DIRECTIONS[metric],
            "note": notes.get(metric, ""),
        }
        for member, member_scores in scores.items()
        for metric in judge.score_names()
    ]


def _numbers(score: Score | None) -> dict[str, Any]:
    """Return value, error, interval and values by class; null if the score is not defined or the member diverged."""
    if score is None:
        return dict.fromkeys(("value", "standard_error", "interval_low", "interval_high", "by_class"))
    by_class = None if score.by_class is None else [_defined(value) for value in score.by_class]
    error = None if score.standard_error is None else _defined(score.standard_error)
    value = _defined(score.value)
    return {"value": value, "standard_error": error, **_interval(value, error), "by_class": by_class}


def _interval(value: float | None, error: float | None) -> dict[str, float | None]:
    """Return the 95 % interval of a normal distribution with that error; null without an error."""
    if value is None or error is None:
        return {"interval_low": None, "interval_high": None}
    return {"interval_low": value - NORMAL_95 * error, "interval_high": value + NORMAL_95 * error}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _expect_belonging(samples: Artefact, training: Artefact, judge: Judge) -> None:
    details = training.details_as(TrainingDetails)
    recipe, optimizer = details.recipe, details.optimizer
    if samples.details_as(SamplesDetails).training != training.fingerprint:
        raise StaleInputError(
            f"{samples.folder}: generated with other weights than those in {training.folder}; "
            f"materialize {recipe}/samples, partition {optimizer}, again"
        )
    if details.tensors != judge.tensors.fingerprint:
        raise StaleInputError(
            f"{training.folder}: trained on images {details.tensors[:12]}, but the reference images are "
            f"{judge.tensors.fingerprint[:12]}; materialize {recipe}/generator and {recipe}/samples, partition "
            f"{optimizer}, again"
        )


def _score_members(samples: Artefact, training: Artefact, judge: Judge) -> _ScoredMembers:
    """Score every trained member; a diverged one has no scores."""
    details = samples.details_as(SamplesDetails)
    images = read_images(samples.verified_path("samples.arrow"))
    scores: dict[int, dict[str, Score]] = {member: {} for member in details.diverged_members}
    pairs: list[Pixels] = []
    for member in details.members:
        pixels = _pixels_of(images, member)
        features = judge.extractor.extract(pixels)
        pairs.append(closest_pairs(pixels, features, judge.reference, judge.train))
        scores[member] = score(features, judge.reference.real, judge.reference.labels)
        if judge.thorough is not None:
            scores[member] |= _thorough_scores(judge.thorough, pixels, features, details, training, member)
        _log(details, member, scores[member])
    return _ScoredMembers(dict(sorted(scores.items())), pairs)


def _thorough_scores(
    thorough: Thorough, pixels: Pixels, features: Features, details: SamplesDetails, training: Artefact, member: int
) -> dict[str, Score]:
    generator_scores = thorough.score_generator(training, details.weights, member, details.seed)
    return thorough.score_images(pixels, features) | generator_scores


def _log(details: SamplesDetails, member: int, scores: dict[str, Score]) -> None:
    name = details.partition
    values = ", ".join(f"{key} {scores[key].value:.4g}" for key in LOGGED if key in scores)
    log.info("%s member %d: %s", name, member, values)


def _pixels_of(images: ImageFile, member: int) -> Pixels:
    pixels: Pixels = images.pixels[images.columns["member"] == member]
    return pixels
