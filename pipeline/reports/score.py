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

from pipeline.metrics.catalogue import BETTER, score, score_names, score_notes
from pipeline.metrics.features import Features
from pipeline.metrics.score import NORMAL_95, Score
from pipeline.reports import store
from pipeline.reports.by_step import keep_scores_by_step
from pipeline.reports.copies import closest_pairs, write_pairs
from pipeline.reports.identity import report_identity
from pipeline.reports.judge import Judge
from pipeline.reports.origin import shared_columns
from pipeline.reports.thorough import Thorough
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact, require_artefact
from pipeline.storage.images import ImageFile, Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.training.trained import require_training

log = logging.getLogger(__name__)

PAIRS_PICTURE = "_nearest_training_images.png"  # beside the newest report
LOGGED = ("fid", "inception_score", "precision", "recall", "missing_classes")


class StaleInputError(ValueError):
    """Inputs that do not belong together; the message says which to materialize again."""


@dataclass(frozen=True)
class Scored:
    """A partition's report, and whether it was there already."""

    report: store.Report
    cached: bool


@dataclass(frozen=True)
class Judged:
    """What was found out about a partition's members."""

    scores: dict[int, dict[str, Score]]  # by member, by name
    pairs: list[Pixels]  # of generated and training images, see `copies.py`


def score_partition(
    recipe: str, optimizer: str, judge: Judge, paths: Paths, *, run_id: str = "", force: bool = False
) -> Scored:
    """The partition's report, computed and stored unless the newest one was made from the same samples and judge.

    The scores along its training are kept too, where they are not there yet.
    """
    samples = require_artefact(paths.samples(recipe, optimizer), "samples", f"{recipe}/samples, partition {optimizer},")
    training = require_training(paths, recipe, optimizer)
    _expect_belonging(samples, training, judge)
    scored = _scored(samples, training, judge, paths.reports(), run_id, force=force)
    keep_scores_by_step(training, judge, paths, force=force)
    return scored


def _scored(samples: Artefact, training: Artefact, judge: Judge, root: Path, run_id: str, *, force: bool) -> Scored:
    protocol = judge.protocol(samples)
    names = [score_names(judge.reference.labels, thorough=each) for each in (False, True)]
    plain, fuller = (
        report_identity(samples, protocol, scores, thorough=each).fingerprint
        for each, scores in zip((False, True), names, strict=True)
    )
    wanted, enough = (plain, (plain, fuller)) if judge.thorough is None else (fuller, (fuller,))
    newest = store.latest(root, samples.details["recipe"], samples.details["optimizer"])
    if newest is not None and newest.fingerprint in enough and not force:
        return Scored(newest, cached=True)
    started = time.perf_counter()
    shared = {**shared_columns(judge, protocol, samples, training), "fingerprint": wanted, "run_id": run_id}
    judged = _judge_members(samples, training, judge)
    rows = _rows(judged.scores, judge, protocol["n_generated"])
    shared["scoring_seconds"] = round(time.perf_counter() - started, 2)
    report = store.append(root, [{**shared, **row} for row in rows])
    write_pairs(report.path.with_name(PAIRS_PICTURE), judged.pairs)
    return Scored(report, cached=False)


def _rows(scores: dict[int, dict[str, Score]], judge: Judge, count: int) -> list[dict[str, Any]]:
    """What differs from row to row: one a member and score."""
    floor, ceiling = judge.anchors(count)
    notes = score_notes(judge.reference.labels)
    return [
        {
            "member": member,
            "metric": metric,
            **_numbers(of_member.get(metric)),
            "floor": floor.get(metric),
            "ceiling": ceiling.get(metric),
            "better": BETTER[metric],
            "note": notes.get(metric, ""),
        }
        for member, of_member in scores.items()
        for metric in judge.score_names()
    ]


def _numbers(found: Score | None) -> dict[str, Any]:
    """Value, error, interval and values by class; null where a score is not defined, or the member diverged."""
    if found is None:
        return dict.fromkeys(("value", "standard_error", "interval_low", "interval_high", "by_class"))
    by_class = None if found.by_class is None else [_defined(value) for value in found.by_class]
    error = None if found.standard_error is None else _defined(found.standard_error)
    value = _defined(found.value)
    return {"value": value, "standard_error": error, **_interval(value, error), "by_class": by_class}


def _interval(value: float | None, error: float | None) -> dict[str, float | None]:
    """The 95 % interval of a normal distribution with that error; null where there is no error."""
    if value is None or error is None:
        return {"interval_low": None, "interval_high": None}
    return {"interval_low": value - NORMAL_95 * error, "interval_high": value + NORMAL_95 * error}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _expect_belonging(samples: Artefact, training: Artefact, judge: Judge) -> None:
    recipe, optimizer = training.details["recipe"], training.details["optimizer"]
    if samples.details["training"] != training.fingerprint:
        raise StaleInputError(
            f"{samples.folder}: drawn by other weights than {training.folder} holds now; "
            f"materialize {recipe}/samples, partition {optimizer}, again"
        )
    if training.details["tensors"] != judge.tensors.fingerprint:
        raise StaleInputError(
            f"{training.folder}: trained on images {training.details['tensors'][:12]}, but scores are taken against "
            f"{judge.tensors.fingerprint[:12]}; materialize {recipe}/generator and {recipe}/samples, partition "
            f"{optimizer}, again"
        )


def _judge_members(samples: Artefact, training: Artefact, judge: Judge) -> Judged:
    """Every trained member; a diverged one has no scores."""
    images = read_images(samples.verified_path("samples.arrow"))
    scores: dict[int, dict[str, Score]] = {member: {} for member in samples.details["diverged_members"]}
    pairs: list[Pixels] = []
    for member in samples.details["members"]:
        pixels = _of_member(images, member)
        seen = judge.extractor.extract(pixels)
        pairs.append(closest_pairs(pixels, seen, judge.reference, judge.train))
        scores[member] = score(seen, judge.reference.real, judge.reference.labels)
        if judge.thorough is not None:
            scores[member] |= _thorough_scores(judge.thorough, pixels, seen, samples, training, member)
        _log(samples, member, scores[member])
    return Judged(dict(sorted(scores.items())), pairs)


def _thorough_scores(
    asked: Thorough, pixels: Pixels, seen: Features, samples: Artefact, training: Artefact, member: int
) -> dict[str, Score]:
    of_generator = asked.of_generator(
        training, samples.details_as(SamplesDetails).weights, member, samples.details["seed"]
    )
    return asked.of_images(pixels, seen) | of_generator


def _log(samples: Artefact, member: int, scores: dict[str, Score]) -> None:
    name = f"{samples.details['recipe']} {samples.details['optimizer']}"
    shown = ", ".join(f"{key} {scores[key].value:.4g}" for key in LOGGED if key in scores)
    log.info("%s member %d: %s", name, member, shown)


def _of_member(images: ImageFile, member: int) -> Pixels:
    pixels: Pixels = images.pixels[images.columns["member"] == member]
    return pixels
