"""Score a partition: compute every metric of every member, beside floor and ceiling, and store the report.

In: the samples artefact and the data set's judge (`judge.py`). Out: one stored report, and beside it the scores along
the training (`by_step.py`). Features are computed once per member; every score is computed from them. Members that were
scored before are not scored again (`reuse.py`).
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import cached_property
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
from pipeline.reports.reuse import Row, StoredScores, stored_scores
from pipeline.reports.thorough import Thorough
from pipeline.samples import fingerprint_of_first_samples
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
class _Request:
    """One report that was requested: the first `members` of a partition's samples, scored by a judge."""

    samples: Artefact
    training: Artefact
    judge: Judge
    members: int

    @cached_property
    def details(self) -> SamplesDetails:
        return self.samples.details_as(SamplesDetails)

    @cached_property
    def protocol(self) -> dict[str, Any]:
        return self.judge.protocol(self.samples)

    @property
    def is_thorough(self) -> bool:
        return self.judge.thorough is not None

    def fingerprint(self, members: int, *, thorough: bool) -> str:
        """Return the fingerprint of a report of the first members."""
        samples = fingerprint_of_first_samples(self.samples, self.training, members)
        names = score_names(self.judge.reference.labels, thorough=thorough)
        return report_identity(samples, self.protocol, names, thorough=thorough).fingerprint

    def accepted(self, members: int) -> set[str]:
        """Return the fingerprints of reports with all requested scores: a thorough one has those of a plain one."""
        kinds = (True,) if self.is_thorough else (False, True)
        return {self.fingerprint(members, thorough=thorough) for thorough in kinds}

    def is_answered_by(self, report: store.Report) -> bool:
        """Return whether a report has the requested scores and names the present training."""
        is_of_training = report.training_fingerprint == self.training.fingerprint
        return is_of_training and report.fingerprint in self.accepted(self.members)

    def diverged(self) -> list[int]:
        return [member for member in self.details.diverged_members if member < self.members]


def score_partition(
    recipe: str,
    optimizer: str,
    judge: Judge,
    paths: Paths,
    *,
    run_id: str = "",
    members: int | None = None,
    force: bool = False,
) -> Scored:
    """Return the partition's report; store one unless the newest has the same samples and protocol.

    `members` limits it to the first members. Scores of members that any stored report has are copied from it. The
    scores along the training are stored too, unless they exist. `force` computes everything again.
    """
    samples = require_artefact(paths.samples(recipe, optimizer), "samples", f"{recipe}/samples, partition {optimizer},")
    training = require_training(paths, recipe, optimizer)
    _expect_belonging(samples, training, judge)
    request = _Request(samples, training, judge, _members_to_score(samples, members))
    scored = _find_or_score(request, paths.reports(), run_id, force=force)
    keep_scores_by_step(training, judge, paths, force=force)
    return scored


def _members_to_score(samples: Artefact, members: int | None) -> int:
    details = samples.details_as(SamplesDetails)
    if members is not None and members > details.members_covered:
        raise ValueError(
            f"{details.partition}: found samples of {details.members_covered} members, expected at least {members}; "
            f"materialize {details.recipe}/samples, partition {details.optimizer}, with members={members} first"
        )
    return details.members_covered if members is None else members


def _find_or_score(request: _Request, root: Path, run_id: str, *, force: bool) -> Scored:
    details, training = request.details, request.training
    newest = store.latest(root, details.recipe, details.optimizer)
    if newest is not None and not force and request.is_answered_by(newest):
        return Scored(newest, cached=True)
    started = time.perf_counter()
    shared = {
        **shared_columns(request.judge, request.protocol, request.samples, training),
        "members": request.members,
        "diverged_members": len(request.diverged()),
        "fingerprint": request.fingerprint(request.members, thorough=request.is_thorough),
        "run_id": run_id,
    }
    picture = store.partition_folder(root, details.recipe, details.optimizer) / PAIRS_PICTURE
    rows, pairs = _score_members(request, StoredScores() if force else _stored_scores(request, root, picture))
    shared["scoring_seconds"] = round(time.perf_counter() - started, 2)
    report = store.append(root, [{**shared, **row} for row in rows])
    write_pairs(picture, pairs)
    return Scored(report, cached=False)


def _stored_scores(request: _Request, root: Path, picture: Path) -> StoredScores:
    """Return the scores that stored reports have of the weights, images and protocol of this request."""
    details, training = request.details, request.training.details_as(TrainingDetails)
    known = {fingerprint for first in range(1, training.members + 1) for fingerprint in request.accepted(first)}
    partition, names = (details.recipe, details.optimizer), request.judge.score_names()
    return stored_scores(root, partition, known, names, picture, training.image_shape)


def _rows(member: int, scores: dict[str, Score], judge: Judge, count: int) -> list[Row]:
    """Return the columns of one member that differ between rows: one row per score."""
    floor, ceiling = judge.anchors(count)
    notes = score_notes(judge.reference.labels)
    return [
        {
            "member": member,
            "metric": metric,
            **_numbers(scores.get(metric)),
            "floor": floor.get(metric),
            "ceiling": ceiling.get(metric),
            "better": BETTER_DIRECTIONS[metric],
            "note": notes.get(metric, ""),
        }
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


def _score_members(request: _Request, stored: StoredScores) -> tuple[list[Row], list[Pixels]]:
    """Return the rows and the closest pairs of all members, stored ones copied; a diverged member has no scores."""
    details, judge = request.details, request.judge
    images = read_images(request.samples.verified_path("samples.arrow"))
    rows: list[Row] = []
    pairs: list[Pixels] = []
    for member in range(request.members):
        if member not in details.members:
            rows += _rows(member, {}, judge, details.images_per_member)
        elif member in stored.rows and member in stored.pairs:
            log.info("%s member %d: scored before", details.partition, member)
            rows += stored.rows[member]
            pairs.append(stored.pairs[member])
        else:
            pixels = _pixels_of(images, member)
            features = judge.extractor.extract(pixels)
            pairs.append(closest_pairs(pixels, features, judge.reference, judge.train))
            rows += stored.rows.get(member) or _new_rows(request, member, pixels, features)
    return rows, pairs


def _new_rows(request: _Request, member: int, pixels: Pixels, features: Features) -> list[Row]:
    details, judge = request.details, request.judge
    scores = score(features, judge.reference.real, judge.reference.labels)
    if judge.thorough is not None:
        scores |= _thorough_scores(judge.thorough, pixels, features, details, request.training, member)
    _log(details, member, scores)
    return _rows(member, scores, judge, details.images_per_member)


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
