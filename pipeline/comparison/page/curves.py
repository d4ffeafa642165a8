"""Curves: what training measured, by step: the mean over members and how far they reach, few enough points to draw.

In: each training's `history.parquet`, and the scores along it. Out: columns by configuration and
measure, for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each, other_weights
from pipeline.comparison.page.scores import finite
from pipeline.reports.by_step import images_per_member, scores_along, weights_scored
from pipeline.storage.paths import Paths

MOST_POINTS = 150  # a curve; more are averaged in groups of neighbours

MEASURES = {
    "discriminator_loss_real": "Loss of D on real images",
    "discriminator_loss_generated": "Loss of D on generated images",
    "generator_loss": "Loss of G",
    "discriminator_accuracy": "Accuracy of D: share it judges right",
    "adversarial_accuracy": "Share of generated images that D takes for real",
}

ALONG_TRAINING = "fid_by_step"  # a measure with steps of its own
ALONG_TRAINING_TITLE = "Fréchet distance along training"

Steps = npt.NDArray[np.int64]


def gather_curves(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """`by_configuration`: key → {"steps": […], measure: {"mean": […], "low": […], "high": […]}}, and `missing`."""
    found, missing = gather_each(entries, _curves)
    return {"by_configuration": found, "missing": missing, "most_points": MOST_POINTS}


def _curves(entry: PageEntry) -> dict[str, Any]:
    from pipeline.training.records.history import read_history
    from pipeline.training.records.loss_curves import over_members

    history = read_history(entry.training().verified_path("history.parquet"))
    if not len(history):
        raise PartMissingError("its history is empty")
    steps = np.unique(history["step"].to_numpy())
    groups = np.array_split(np.arange(len(steps)), min(len(steps), MOST_POINTS))
    curves: dict[str, Any] = {"steps": [int(steps[group[-1]]) for group in groups]}
    for measure in MEASURES:
        low, mean, high = over_members(history, measure, steps)
        curves[measure] = {
            "low": _thinned(low, groups, np.min),
            "mean": _thinned(mean, groups, np.mean),
            "high": _thinned(high, groups, np.max),
        }
    return curves


def gather_scores_along(entries: Sequence[PageEntry], paths: Paths) -> dict[str, Any]:
    """The same of `ALONG_TRAINING`, from the data folder, and `images`: how many of a member are scored a step.

    `others` has a sentence for each configuration whose curve is of other weights than its report.
    """
    images: set[int] = set()
    weights: dict[str, str] = {}

    def gather(entry: PageEntry) -> dict[str, Any]:
        from pipeline.training.records.loss_curves import over_members

        scores = scores_along(entry.configuration.report, paths)
        if scores is None:
            raise PartMissingError("there are no scores along its training")
        images.add(images_per_member(scores))
        weights[entry.key] = weights_scored(scores)
        distances = scores.filter(pc.equal(scores["metric"], "fid"))
        steps = np.unique(distances["step"].to_numpy())
        low, mean, high = ([finite(float(value)) for value in each] for each in over_members(distances, "value", steps))
        return {"steps": steps.tolist(), ALONG_TRAINING: {"low": low, "mean": mean, "high": high}}

    found, missing = gather_each(entries, gather)
    others = other_weights(entries, weights)
    return {"by_configuration": found, "missing": missing, "images": max(images, default=0), "others": others}


def last_values(curves: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By configuration: the last step, and of each measure the last mean that is known, as texts in their order."""
    return {
        key: {"step": of_key["steps"][-1], "values": [_last(of_key[measure]["mean"]) for measure in MEASURES]}
        for key, of_key in curves.items()
    }


def _last(means: Sequence[float | None]) -> str:
    known = [mean for mean in means if mean is not None]
    return f"{known[-1]:.4g}" if known else "–"


def _thinned(values: npt.NDArray[np.float64], groups: Sequence[Steps], take: Any) -> list[float | None]:
    """One value a group of neighbouring steps; None where no member trained any more."""
    known = [values[group][np.isfinite(values[group])] for group in groups]
    return [finite(float(take(each))) if len(each) else None for each in known]
