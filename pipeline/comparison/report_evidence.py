"""Evidence of a report: its scores between real images and noise, its classes, and pictures.

It stands in this stage because a report's means and intervals are those of the ranking (`ranking.py`).
"""

from __future__ import annotations

import math
from itertools import zip_longest
from pathlib import Path
from statistics import fmean

import pyarrow.compute as pc

from pipeline.comparison.ranking import estimate
from pipeline.evidence import Drawing, Evidence, Markdown, Table, number, number_or_undefined
from pipeline.reports.by_step import draw_by_step, images_per_member, scores_along, weights_scored
from pipeline.reports.report import Report
from pipeline.reports.score import PAIRS_PICTURE
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file, markdown_image
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import require_tensors
from pipeline.training.kinds_of_weights import AVERAGE


def report_evidence(report: Report, dataset: str, paths: Paths) -> Evidence:
    """Return a report's scores as a table and as numbers, with the pictures that belong to it."""
    return {
        **_closest_pairs(report.path.with_name(PAIRS_PICTURE)),
        **_scores(report),
        "members": report.members,
        "diverged_members": report.diverged_members,
        "n_generated": report.n_generated,
        "weights": report.weights,
        "n_real": report.n_real,
        "extractor": f"{report.extractor} {report.extractor_sha256[:12]}",
        "scoring_seconds": report.scoring_seconds,
        "data": report.source,
        "path": report.path,
        **fid_by_step(report, paths),
        **classes(report, dataset, paths),
    }


def _scores(report: Report) -> Evidence:
    """Return the table of all scores, and each defined mean by itself, so that the UI can plot it over time."""
    rows, means = [], {}
    for metric in report.metrics():
        mean, (floor, ceiling) = estimate(report.scores(metric)), report.anchors(metric)
        rows.append(
            {
                "score": metric,
                "mean ± 95 %": str(mean),
                "real images": number_or_undefined(floor),
                "noise": number_or_undefined(ceiling),
                "better": report.better(metric),
                "note": report.notes().get(metric, ""),
            }
        )
        if not math.isnan(mean.mean):
            means[metric] = mean.mean
    return {"scores": Table(rows), **means}


def fid_by_step(report: Report, paths: Paths) -> Evidence:
    """Return FID by training step, one line per member; empty if the training kept no images on its way."""
    scores = scores_along(report, paths)
    if scores is None:
        return {}
    kind = weights_scored(scores)
    prefix = f"{kind} weights, " if AVERAGE in (kind, report.weights) else ""
    label = f"FID of {images_per_member(scores):,} images\n({prefix}comparable with itself only)"

    def draw() -> str:
        return markdown_image(draw_by_step(scores, "fid", label), "FID by training step, one line per member")

    return {"fid_by_step": Drawing(draw)}


def classes(report: Report, dataset: str, paths: Paths) -> Evidence:
    """Return one row per class, means over members: how many images show it, and its Fréchet distance.

    Empty if no member has a value per class.
    """
    counts, distances = (_means_by_class(report, metric) for metric in ("missing_classes", "per_class_fid"))
    if not counts and not distances:
        return {}
    names = require_tensors(paths, dataset).details_as(TensorsDetails).class_names
    rows = [
        {"class": str(name), "generated images": number(count), "FID": number(distance)}
        for name, count, distance in zip_longest(names, counts, distances)
    ]
    return {"classes": Table(rows)}


def _means_by_class(report: Report, metric: str) -> list[float | None]:
    """Return the mean over members per class; None for a class without values, [] without classes."""
    by_member = report.rows.filter(pc.field("metric") == metric)["by_class"].drop_null().to_pylist()
    by_class = ([value for value in values if value is not None] for values in zip(*by_member, strict=True))
    return [fmean(values) if values else None for values in by_class]


def _closest_pairs(path: Path) -> Evidence:
    """Return the picture of possible copies. It does not exist if every member diverged."""
    if not path.exists():
        return {}
    caption = "generated images closest to training images, each above the one it resembles, two rows per member"
    return {"nearest_training_images": Markdown(markdown_file(path, caption))}
