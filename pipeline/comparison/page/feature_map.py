"""Feature map: real and generated images in the plane that best spreads the real ones, coloured by class.

In: the data set's classifier, its reference features, and each configuration's samples. Out: points. The plane is that
of the first two principal components of the features of real images; generated ones are projected onto it. It is the
classifier's also where scores are taken with Inception, which takes a tenth of a second an image.
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
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from pipeline.tensors.load import load_split, require_tensors

REAL_IMAGES, GENERATED_IMAGES = 1000, 500
DIGITS = 4  # of a coordinate


@dataclass(frozen=True)
class Plane:
    """The first two principal components of real features."""

    centre: Matrix  # (D,)
    axes: Matrix  # (D, 2), orthonormal
    shares: tuple[float, float]  # of the variance

    @classmethod
    def fit(cls, features: Matrix) -> Plane:
        """The plane of features (N, D)."""
        centre = features.mean(axis=0)
        _, spread, directions = np.linalg.svd(features - centre, full_matrices=False)
        variance = spread**2 / (spread**2).sum()
        return cls(centre, directions[:2].T, (float(variance[0]), float(variance[1])))

    def project(self, features: Matrix) -> Matrix:
        """Features (N, D) → points (N, 2)."""
        projected: Matrix = (features - self.centre) @ self.axes
        return projected


@dataclass(frozen=True)
class Mapped:
    """What real images look like to the classifier."""

    extractor: Extractor
    plane: Plane
    real: Features
    real_labels: npt.NDArray[np.int64] | None
    class_names: list[str]  # empty where the data set has no classes


def gather_feature_map(entries: Sequence[PageEntry], dataset: str, paths: Paths) -> dict[str, Any]:
    """`real`: points, `by_configuration`: key → points, `shares` of variance, `class_names`; or `why_missing`."""
    try:
        seen = _seen(dataset, paths)
    except (OSError, ValueError) as error:
        return {"why_missing": reason(error), "by_configuration": {}, "missing": {}}
    found, missing = gather_each(entries, lambda entry: _points_of(entry, seen))
    return {
        "why_missing": "",
        "real": _points(seen, seen.real, seen.real_labels),
        "by_configuration": found,
        "shares": seen.plane.shares,
        "class_names": seen.class_names,
        "generated_images": GENERATED_IMAGES,
        "missing": missing,
    }


def _seen(dataset: str, paths: Paths) -> Mapped:
    tensors, extractor = require_tensors(paths, dataset), require_extractor("classifier", dataset, paths)
    artefact = require_reference(paths, dataset)
    expect_current(artefact, extractor, tensors)
    reference = load_reference(artefact)
    places = seeded_order(len(reference.test), REAL_IMAGES)
    real = reference.test.take(places)
    held_out = load_split(tensors, "test")
    has_classes = extractor.labels == CLASSES and "label" in held_out.columns
    labels = held_out.columns["label"][places].astype(np.int64) if has_classes else None
    names = [str(name) for name in tensors.details["class_names"]] if has_classes else []
    return Mapped(extractor, Plane.fit(np.asarray(real.features, np.float64)), real, labels, names)


def _points_of(entry: PageEntry, seen: Mapped) -> dict[str, Any]:
    samples = entry.samples()
    images = read_images(samples.verified_path("samples.arrow"))
    member = samples.details["members"][0]
    pixels = images.pixels[images.columns["member"] == member][:GENERATED_IMAGES]
    if not len(pixels):
        raise PartMissingError("its samples hold no images")
    found = seen.extractor.extract(pixels)
    labels = None if found.logits is None or not seen.class_names else np.argmax(found.logits, axis=1)
    return _points(seen, found, labels)


def _points(seen: Mapped, features: Features, labels: npt.NDArray[np.int64] | None) -> dict[str, Any]:
    across, up = seen.plane.project(np.asarray(features.features, np.float64)).T
    return {
        "x": [float(f"{value:.{DIGITS}g}") for value in across],
        "y": [float(f"{value:.{DIGITS}g}") for value in up],
        "label": None if labels is None else labels.tolist(),
    }
