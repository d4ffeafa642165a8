"""Reference: what an extractor sees in real images and in noise, the fixed points every score stands between.

In: the data set's tensors and an extractor. Out: `data/metrics/<data set>/reference/` (for Inception
`inception_reference/`): `features.safetensors` with features and logits of the held-out test images (what generated
images are judged against), of training images in a seeded order (the floor: real against real, and what copies are
looked for among) and of uniform noise (the ceiling); `moments.npz` with `mu` and `sigma` of the test images' features,
as pytorch-fid reads them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from pipeline.metrics import CODE_VERSION
from pipeline.metrics.catalogue import METRICS, report_metrics, score, score_names
from pipeline.metrics.details import ReferenceDetails
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.features import Features
from pipeline.metrics.identity import reference_identity
from pipeline.metrics.metric import Metric, Need, RealFeatures
from pipeline.metrics.moments import fit_moments
from pipeline.metrics.score import Score
from pipeline.storage.artefact import Artefact, make_artefact, require_artefact
from pipeline.storage.atomic import umask_permissions
from pipeline.storage.details import to_json
from pipeline.storage.images import Pixels
from pipeline.storage.paths import Paths
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split, require_tensors

ANCHOR_IMAGES = 10_000  # at most so many images are scored as floor and ceiling
CHOICE_SEED = 0

Anchors = dict[str, float | None]  # value by score; None if a score is not defined for the images


class StaleReferenceError(ValueError):
    """Features that were taken with other weights or of other images; the message says what to make again."""


@dataclass(frozen=True)
class Reference:
    """The features that scores are computed against."""

    test: Features  # held-out real images, in the data set's order
    train: Features  # real images that networks train on, in a seeded order
    noise: Features  # uniform noise
    labels: str  # what the logits stand for

    @property
    def real(self) -> RealFeatures:
        """The real images against which generated images are scored."""
        return RealFeatures(self.test, self.train)

    def anchors(self, count: int, metrics: Sequence[Metric] = METRICS) -> tuple[Anchors, Anchors]:
        """Compute the scores of `count` real images (the floor) and of `count` noise images (the ceiling).

        `count` is the number of generated images, because scores depend on it; fewer if the data set has fewer. Floor:
        the score of real training images against the test images. For the metrics that look for copies: of test images
        against the training images.
        """
        looking_for_copies = [metric for metric in metrics if Need.TRAINING_IMAGES in metric.needs]
        # at random: a data set's own order may be by class
        held_out = self.test.take(seeded_order(len(self.test), count))
        real = score(self.train.first(count), RealFeatures(self.test), self.labels, metrics)
        real |= score(held_out, self.real, self.labels, looking_for_copies)
        noise = score(self.noise.first(count), self.real, self.labels, metrics)
        return self._in_order(values_of(real)), self._in_order(values_of(noise))

    def _in_order(self, anchors: Anchors) -> Anchors:
        return {name: anchors[name] for name in score_names(self.labels) if name in anchors}


def make_reference(dataset: str, paths: Paths, *, extractor: str = "classifier", force: bool = False) -> Artefact:
    """The data set's reference features for an extractor, computed unless they are there already."""
    tensors, seeing = require_tensors(paths, dataset), require_extractor(extractor, dataset, paths)
    wanted = reference_identity(
        tensors,
        seeing.sha256,
        seeing.resize,
        anchor_images=ANCHOR_IMAGES,
        train_images=seeing.most_train_images,
    )

    def fill(folder: Path) -> dict[str, Any]:
        train, test = load_split(tensors, "train").pixels, load_split(tensors, "test").pixels
        seen = {
            "test": test,
            "train": train[seeded_order(len(train), seeing.most_train_images)],
            "noise": _noise(train.shape[1:]),
        }
        values = _extract(seeing, seen)
        with umask_permissions(folder / "features.safetensors"):
            save_file(values, folder / "features.safetensors")
        reference = _reference(values, seeing.labels)
        moments = fit_moments(reference.test.features)
        np.savez(folder / "moments.npz", mu=moments.mean, sigma=moments.covariance)
        floor, ceiling = reference.anchors(ANCHOR_IMAGES)
        details = ReferenceDetails(
            dataset=dataset,
            extractor=seeing.name,
            labels=reference.labels,
            tensors=tensors.fingerprint,
            extractor_sha256=seeing.sha256,
            extractor_accuracy=seeing.accuracy,
            resize=seeing.resize,
            images={name: len(pixels) for name, pixels in seen.items()},
            anchor_images=ANCHOR_IMAGES,
            floor=floor,
            ceiling=ceiling,
            metrics_version=CODE_VERSION,
            source=tensors.details_as(TensorsDetails).source,
        )
        return to_json(details)

    return make_artefact(paths.reference(dataset, extractor), wanted, fill, force=force)


def require_reference(paths: Paths, dataset: str, extractor: str = "classifier") -> Artefact:
    """The reference artefact of a data set, or a sentence saying how to make it."""
    folder = paths.reference(dataset, extractor)
    return require_artefact(folder, "reference features", f"{dataset}/{folder.name}")


def expect_current(reference: Artefact, extractor: Extractor, tensors: Artefact) -> None:
    """Raise where a reference was made with other weights or of other images than are there now."""
    details = reference.details_as(ReferenceDetails)
    made_with = {"weights": details.extractor_sha256, "images": details.tensors}
    there_now = {"weights": extractor.sha256, "images": tensors.fingerprint}
    for what, sha256 in there_now.items():
        if made_with[what] != sha256:
            raise StaleReferenceError(
                f"{reference.folder}: features made with {what} {made_with[what][:12]}, but {sha256[:12]} are there "
                f"now; materialize {details.dataset}/{reference.folder.name} again"
            )


def load_reference(artefact: Artefact) -> Reference:
    """The reference features of an artefact."""
    values = load_file(artefact.verified_path("features.safetensors"))
    return _reference(values, artefact.details_as(ReferenceDetails).labels)


def anchors_of(artefact: Artefact, reference: Reference, count: int) -> tuple[Anchors, Anchors]:
    """Return floor and ceiling of `count` images: those in the manifest, and computed ones for newer metrics.

    A reference is a set of features. Metrics that were added or changed after it was made do not make it stale; their
    anchors are computed here, on the CPU and without the extractor.
    """
    floor, ceiling = _stored_anchors(artefact, count)
    lacking = [
        metric for metric in report_metrics(reference.labels) if not set(metric.names) <= floor.keys() & ceiling.keys()
    ]
    if not lacking:
        return floor, ceiling
    new_floor, new_ceiling = reference.anchors(count, lacking)
    return floor | new_floor, ceiling | new_ceiling


def _stored_anchors(artefact: Artefact, count: int) -> tuple[Anchors, Anchors]:
    """Return the anchors in the manifest; empty if they are of another number of images or of older metrics."""
    details = artefact.details_as(ReferenceDetails)
    # Manifests before this key had one version for metrics and extractors, which is in their identity.
    version = details.metrics_version or (artefact.identity.code_version if artefact.identity else None)
    if count != details.anchor_images or version != CODE_VERSION:
        return {}, {}
    return dict(details.floor), dict(details.ceiling)


def values_of(scores: dict[str, Score]) -> Anchors:
    """The values of scores, None where there is none."""
    return {name: None if math.isnan(found.value) else found.value for name, found in scores.items()}


def _extract(extractor: Extractor, seen: dict[str, Pixels]) -> dict[str, Any]:
    values = {}
    for name, pixels in seen.items():
        features = extractor.extract(pixels)
        values[f"{name}.features"] = features.features
        if features.logits is not None:
            values[f"{name}.logits"] = features.logits
    return values


def _reference(values: dict[str, Any], labels: str) -> Reference:
    names = ("test", "train", "noise")
    test, train, noise = (Features(values[f"{name}.features"], values.get(f"{name}.logits")) for name in names)
    return Reference(test, train, noise, labels)


def seeded_order(count: int, most: int | None) -> npt.NDArray[np.int64]:
    """At most so many of `count` places, in the order in which training images' features are kept."""
    return np.random.default_rng(CHOICE_SEED).permutation(count)[:most]


def _noise(shape: tuple[int, ...]) -> Pixels:
    return np.random.default_rng(CHOICE_SEED).integers(0, 256, (ANCHOR_IMAGES, *shape), np.uint8)
