"""Reuse: the scores of members that an earlier report has already.

In: the reports of a partition, and the fingerprints that a report of its first 1, 2, … members would have now. Such a
fingerprint holds the weights, images, extractor, reference and code, so equal ones mean equal scores.
Out: the stored rows and pictures of each member.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.reports import store
from pipeline.reports.copies import read_pairs
from pipeline.reports.report import Report
from pipeline.storage.images import Pixels

ROW_COLUMNS = (  # those that differ between the rows of one report
    *("member", "metric", "value", "standard_error", "interval_low", "interval_high", "by_class"),
    *("floor", "ceiling", "better", "note"),
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class StoredScores:
    """The rows and pictures that earlier reports have, by member."""

    rows: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    pairs: Mapping[int, Pixels] = field(default_factory=dict)  # see `copies.closest_pairs`


def stored_scores(
    root: Path,
    partition: tuple[str, str],
    fingerprints: Collection[str],
    metrics: Sequence[str],
    picture: Path,
    image_shape: tuple[int, int, int],
) -> StoredScores:
    """Return the rows of these metrics for each member, from the newest report with one of these fingerprints.

    `partition` is a recipe and an optimizer configuration. `picture` shows the pairs of the partition's newest report.
    """
    reports = store.history_of(root, *partition)
    usable = [report for report in reports if report.fingerprint in fingerprints]
    rows: dict[int, Sequence[Row]] = {}
    for report in usable:  # oldest first: newer rows replace older ones
        rows |= _rows_by_member(report, metrics)
    is_shown = bool(usable) and usable[-1].report_id == reports[-1].report_id
    return StoredScores(rows, _pairs_by_member(reports[-1], picture, image_shape) if is_shown else {})


def _rows_by_member(report: Report, metrics: Sequence[str]) -> Mapping[int, Sequence[Row]]:
    by_member: dict[int, list[Row]] = {}
    for row in report.rows.select(ROW_COLUMNS).to_pylist():
        if row["metric"] in metrics:
            by_member.setdefault(row["member"], []).append(row)
    return by_member


def _pairs_by_member(report: Report, picture: Path, image_shape: tuple[int, int, int]) -> dict[int, Pixels]:
    """Return the pairs in the newest report's picture; none if it does not have them for all members with scores."""
    sound = sorted({row["member"] for row in report.rows.to_pylist() if row["value"] is not None})
    try:
        pairs = read_pairs(picture, image_shape)
    except (OSError, ValueError):  # no picture, or one that was changed by hand: the pairs are found again
        return {}
    return dict(zip(sound, pairs, strict=True)) if len(pairs) == len(sound) else {}
