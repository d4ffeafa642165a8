"""Reports: made-up class counts, distances to training images, and FIDs of a training and the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.detectors.kinds import Kind, Random, log_uniform
from pipeline.checks.inputs import ReportInputs
from pipeline.checks.member_curves import Values
from pipeline.metrics.missing_classes import LEAST_SHARE_OF_EQUAL
from pipeline.reports.report import Block, Report
from pipeline.reports.schema import SCHEMA

MEMBERS, CLASSES = 3, 10
EQUAL_SHARE = 1 / CLASSES
MODE_DROP, MEMORISATION, REGRESSION = "mode_drop", "memorisation", "metric_regression"


def _report(rows: Sequence[dict[str, Any]], seed: int = 0, training: str = "newest") -> Report:
    shared = {
        "report_id": training,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "recipe": "zoo",
        "optimizer": "adam",
        "protocol": "{}",
        "settings": json.dumps({"seed": seed}),
        "seed": seed,
        "training_fingerprint": training,
    }
    table = pa.Table.from_pylist([{**shared, **row} for row in rows], schema=SCHEMA)
    return Report(Path("made up"), Block.from_report(table))


# ---------------------------------------------------------------------------------------------------------------------
# Class counts


def _class_rows(random: Random, member_shares: Sequence[Values], real_shares: Values) -> list[dict[str, Any]]:
    images = int(random.choice([500, 2000, 10_000]))
    floor = _missing(random.multinomial(images, real_shares))
    rows = []
    for member, shares in enumerate(member_shares):
        counts = random.multinomial(images, shares / shares.sum())
        by_class = [float(count) for count in counts]
        rows.append(
            {"member": member, "metric": MODE_DROP_METRIC, "value": _missing(counts), "by_class": by_class}
            | {"floor": floor, "better": "lower", "n_generated": images, "n_floor": images}
        )
    return rows


MODE_DROP_METRIC = "missing_classes"


def _missing(counts: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return float((counts < LEAST_SHARE_OF_EQUAL * counts.sum() / len(counts)).sum())


def _even(random: Random) -> Values:
    """Draw shares of classes, (CLASSES,), of a generator that shows all classes, some more often."""
    return random.dirichlet(np.full(CLASSES, random.uniform(8, 100)))


def all_classes(random: Random) -> list[Values]:
    """All classes, in shares that differ from member to member."""
    return [_even(random) for _ in range(MEMBERS)]


def a_weak_class(random: Random) -> list[Values]:
    """One class in ten has 0.11 to 0.3 of an equal share, which is few but not missing."""
    members = all_classes(random)
    for shares in members:
        shares[random.integers(CLASSES)] = random.uniform(0.11, 0.3) * EQUAL_SHARE
    return members


def some_classes_dropped(random: Random) -> list[Values]:
    """One to three classes have less than 0.14 of an equal share, in one to three members."""
    members = all_classes(random)
    for shares in members[: random.integers(1, MEMBERS + 1)]:
        dropped = random.choice(CLASSES, random.integers(1, 4), replace=False)
        shares[dropped] = random.uniform(0, 0.14, len(dropped)) * EQUAL_SHARE
    return members


def few_classes_left(random: Random) -> list[Values]:
    """All images are of one to four classes, in one to three members."""
    members = all_classes(random)
    for shares in members[: random.integers(1, MEMBERS + 1)]:
        remaining = random.choice(CLASSES, random.integers(1, 5), replace=False)
        shares[np.setdiff1d(np.arange(CLASSES), remaining)] *= random.uniform(0, 0.05)
    return members


def _classes(make: Callable[[Random], list[Values]], sick_for: str | None, name: str = "", rare: int = 0) -> Kind:
    def curve(random: Random) -> ReportInputs:
        members, real = make(random), np.full(CLASSES, EQUAL_SHARE)
        for shares in (*members, real):
            shares[:rare] = (
                random.uniform(0.01, 0.09) * EQUAL_SHARE
            )  # so rare that they are missing from real images too
        return ReportInputs(_report(_class_rows(random, members, real / real.sum())))

    description = (make.__doc__ or "").strip() + (f" {rare} classes are rare in the data too." if rare else "")
    return Kind(name or make.__name__, description, (MODE_DROP,), sick_for, curve)


# ---------------------------------------------------------------------------------------------------------------------
# Copies


def _copying(
    low: float, high: float, farther: tuple[float, float], authentic: tuple[float, float]
) -> Callable[[Random], ReportInputs]:
    """Draw a share of copies between `low` and `high`, among images that score so much more than held-out real ones."""

    def curve(random: Random) -> ReportInputs:
        images = int(random.choice([1000, 2000, 10_000]))
        floor, far = random.uniform(0.5, 0.7), log_uniform(random, 0.005, 0.03)
        measured = {"authenticity": random.binomial(images, floor) / images}
        measured["memorisation_distance"] = _mean_distance(random, far, images)
        rows = []
        for member in range(MEMBERS):
            copies = log_uniform(random, low, high) if high else 0.0
            share = (1 - copies) * min(0.98, floor * random.uniform(*authentic))
            authenticity = random.binomial(images, share) / images
            distance = _mean_distance(random, (1 - copies) * far * random.uniform(*farther), images)
            error_of_share = (authenticity * (1 - authenticity) / images) ** 0.5
            errors = {"authenticity": error_of_share, "memorisation_distance": SPREAD * distance}
            errors["memorisation_distance"] /= images**0.5
            rows += [
                {"member": member, "metric": name, "value": value, "standard_error": errors[name]}
                | {"floor": measured[name], "better": "higher", "n_generated": images, "n_floor": images}
                for name, value in (("authenticity", authenticity), ("memorisation_distance", distance))
            ]
        return ReportInputs(_report(rows))

    return curve


SPREAD = 0.6  # of single distances, as a share of their mean: 0.3 to 0.7 in reports on MNIST


def _mean_distance(random: Random, mean: float, images: int) -> float:
    return float(mean * (1 + SPREAD * random.normal() / images**0.5))


# ---------------------------------------------------------------------------------------------------------------------
# One training after another


def _retrained(low: float, high: float, *, other_seed: bool) -> Callable[[Random], ReportInputs]:
    """Draw FIDs of 3 to 5 members before, and `low` to `high` times as much after, with the members' own spread."""

    def curve(random: Random) -> ReportInputs:
        members, level = int(random.integers(3, 6)), log_uniform(random, 5, 900)
        deviation, times = random.uniform(0.02, 0.08), log_uniform(random, low, high)
        shared = random.normal(size=members) * (0.0 if other_seed else random.uniform(0.3, 0.9))
        before, after = (level * (1 + deviation * (shared + random.normal(size=members))) for _ in range(2))
        newest = _report(_fid_rows(after * times), seed=int(other_seed))
        return ReportInputs(newest, _report(_fid_rows(before), training="previous"))

    return curve


def _fid_rows(fids: Values) -> list[dict[str, Any]]:
    return [
        {"member": member, "metric": "fid", "value": float(fid), "better": "lower"} for member, fid in enumerate(fids)
    ]


def _kind(name: str, description: str, check: str, curve: Callable[[Random], ReportInputs], *, sick: bool) -> Kind:
    return Kind(name, description, (check,), check if sick else None, curve)


REPORTS: tuple[Kind, ...] = (
    _classes(all_classes, None),
    _classes(a_weak_class, None),
    _classes(all_classes, None, "rare_in_the_data_too", rare=2),
    _classes(some_classes_dropped, MODE_DROP),
    _classes(few_classes_left, MODE_DROP),
    _kind(
        "not_learnt_yet",
        "No copies; all images are far from real ones.",
        MEMORISATION,
        _copying(0, 0, (2, 5), (1.2, 1.6)),
        sick=False,
    ),
    _kind(
        "as_new_as_real_images",
        "No copies; scores as held-out real images, or up to a fifth above.",
        MEMORISATION,
        _copying(0, 0, (1, 1.2), (1, 1.2)),
        sick=False,
    ),
    _kind(
        "copies_among_good_images",
        "3 to 90 % copies among images as new as real ones.",
        MEMORISATION,
        _copying(0.03, 0.9, (1, 1.2), (1, 1.2)),
        sick=True,
    ),
    _kind(
        "copies_among_bad_images",
        "10 to 95 % copies among images that are far from real ones.",
        MEMORISATION,
        _copying(0.1, 0.95, (2, 5), (1.2, 1.6)),
        sick=True,
    ),
    _kind(
        "same_again",
        "The same seeds, FID the same but for noise.",
        REGRESSION,
        _retrained(1, 1, other_seed=False),
        sick=False,
    ),
    _kind(
        "other_seeds",
        "Other seeds, FID the same but for noise.",
        REGRESSION,
        _retrained(1, 1, other_seed=True),
        sick=False,
    ),
    _kind("better", "FID 1 to 40 % better.", REGRESSION, _retrained(0.6, 0.99, other_seed=True), sick=False),
    _kind(
        "worse_same_seeds",
        "The same seeds, FID 5 % worse to twice as high.",
        REGRESSION,
        _retrained(1.05, 2, other_seed=False),
        sick=True,
    ),
    _kind(
        "worse_other_seeds",
        "Other seeds, FID 5 % worse to twice as high.",
        REGRESSION,
        _retrained(1.05, 2, other_seed=True),
        sick=True,
    ),
)
