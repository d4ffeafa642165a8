"""Curves: the measures of training by step: mean and range over members, with few enough points to draw.

In: each training's `history.parquet`, and the scores along it. Out: columns by configuration and measure, for JSON.
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

MOST_POINTS = 150  # points per curve; longer histories are averaged over neighbouring steps

MEASURES = {
    "discriminator_loss_real": "Loss of D on real images",
    "discriminator_loss_generated": "Loss of D on generated images",
    "generator_loss": "Loss of G",
    "discriminator_accuracy": "Accuracy of D: share it classifies correctly",
    "adversarial_accuracy": "Share of generated images that D takes for real",
}

ALONG_TRAINING = "fid_by_step"  # this measure has its own steps
ALONG_TRAINING_TITLE = "Fréchet distance along training"

Steps = npt.NDArray[np.int64]


def gather_curves(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """Return curves `by_configuration`, and the reasons for `missing` ones.

    A curve is {"steps": […], measure: {"mean": […], "low": […], "high": […]}}.
    """
    curves, missing = gather_each(entries, _curves)
    return {"by_configuration": curves, "missing": missing, "most_points": MOST_POINTS}


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
    """Return the curves of `ALONG_TRAINING` in the form of `gather_curves`.

    `images` is the number of scored images per member and step. `others` has a sentence for each configuration with a
    curve of other weights than its report.
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
        low, mean, high = (
            [finite(float(value)) for value in values] for values in over_members(distances, "value", steps)
        )
        return {"steps": steps.tolist(), ALONG_TRAINING: {"low": low, "mean": mean, "high": high}}

    curves, missing = gather_each(entries, gather)
    others = other_weights(entries, weights)
    return {"by_configuration": curves, "missing": missing, "images": max(images, default=0), "others": others}


def last_values(curves: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the last step of each configuration, and the last defined mean of each measure as text, in order."""
    return {
        key: {"step": curve["steps"][-1], "values": [_last(curve[measure]["mean"]) for measure in MEASURES]}
        for key, curve in curves.items()
    }


def _last(means: Sequence[float | None]) -> str:
    defined = [mean for mean in means if mean is not None]
    return f"{defined[-1]:.4g}" if defined else "–"


def _thinned(values: npt.NDArray[np.float64], groups: Sequence[Steps], take: Any) -> list[float | None]:
    """Return one value per group of neighbouring steps; None where every member had diverged."""
    defined = [values[group][np.isfinite(values[group])] for group in groups]
    return [finite(float(take(in_group))) if len(in_group) else None for in_group in defined]
