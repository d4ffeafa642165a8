"""Feature map: real and generated images as points in the plane with the largest variance, coloured by class.

In: the data set's classifier, its reference features, and each configuration's samples. Out: points. The axes are the
first two principal components of the features of real images; generated images are projected onto them. The features
are always the classifier's, since Inception takes a tenth of a second per image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each, reason
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.features import CLASSES, Features, Matrix
from pipeline.metrics.reference import expect_current, load_reference, require_reference, seeded_order
from pipeline.samples.details import SamplesDetails
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split, require_tensors

REAL_IMAGES, GENERATED_IMAGES = 1000, 500
DIGITS = 4  # significant digits of a coordinate


@dataclass(frozen=True)
class Plane:
    """The plane of the first two principal components of real features."""

    centre: Matrix  # (D,)
    axes: Matrix  # (D, 2), orthonormal
    shares: tuple[float, float]  # share of the variance per component

    @classmethod
    def fit(cls, features: Matrix) -> Plane:
        """Return the plane of features (N, D)."""
        centre = features.mean(axis=0)
        _, spread, directions = np.linalg.svd(features - centre, full_matrices=False)
        variance = spread**2 / (spread**2).sum()
        return cls(centre, directions[:2].T, (float(variance[0]), float(variance[1])))

    def project(self, features: Matrix) -> Matrix:
        """Return the points (N, 2) of features (N, D)."""
        projected: Matrix = (features - self.centre) @ self.axes
        return projected


@dataclass(frozen=True)
class _RealMap:
    """Real images as the classifier sees them, and the plane to project others onto."""

    extractor: Extractor
    plane: Plane
    real: Features
    real_labels: npt.NDArray[np.int64] | None
    class_names: list[str]  # empty if the data set has no classes


def gather_feature_map(entries: Sequence[PageEntry], dataset: str, paths: Paths) -> dict[str, Any]:
    """Return points: `real`, and `by_configuration`; with `shares` of variance and `class_names`; or `why_missing`."""
    try:
        real_map = _real_map(dataset, paths)
    except (OSError, ValueError) as error:
        return {"why_missing": reason(error), "by_configuration": {}, "missing": {}}
    points, missing = gather_each(entries, lambda entry: _points_of(entry, real_map))
    return {
        "why_missing": "",
        "real": _points(real_map, real_map.real, real_map.real_labels),
        "by_configuration": points,
        "shares": real_map.plane.shares,
        "class_names": real_map.class_names,
        "generated_images": GENERATED_IMAGES,
        "missing": missing,
    }


def _real_map(dataset: str, paths: Paths) -> _RealMap:
    tensors, extractor = require_tensors(paths, dataset), require_extractor("classifier", dataset, paths)
    artefact = require_reference(paths, dataset)
    expect_current(artefact, extractor, tensors)
    reference = load_reference(artefact)
    rows = seeded_order(len(reference.test), REAL_IMAGES)
    real = reference.test.take(rows)
    held_out = load_split(tensors, "test")
    has_classes = extractor.labels == CLASSES and "label" in held_out.columns
    labels = held_out.columns["label"][rows].astype(np.int64) if has_classes else None
    names = list(tensors.details_as(TensorsDetails).class_names) if has_classes else []
    return _RealMap(extractor, Plane.fit(np.asarray(real.features, np.float64)), real, labels, names)


def _points_of(entry: PageEntry, real_map: _RealMap) -> dict[str, Any]:
    samples = entry.samples()
    images = read_images(samples.verified_path("samples.arrow"))
    member = samples.details_as(SamplesDetails).members[0]
    pixels = images.pixels[images.columns["member"] == member][:GENERATED_IMAGES]
    if not len(pixels):
        raise PartMissingError("its samples hold no images")
    features = real_map.extractor.extract(pixels)
    labels = None if features.logits is None or not real_map.class_names else np.argmax(features.logits, axis=1)
    return _points(real_map, features, labels)


def _points(real_map: _RealMap, features: Features, labels: npt.NDArray[np.int64] | None) -> dict[str, Any]:
    across, up = real_map.plane.project(np.asarray(features.features, np.float64)).T
    return {
        "x": [float(f"{value:.{DIGITS}g}") for value in across],
        "y": [float(f"{value:.{DIGITS}g}") for value in up],
        "label": None if labels is None else labels.tolist(),
    }
