"""Reference: an extractor's features of real images and of noise, which are the two ends of every score's scale.

In: the data set's tensors and an extractor. Out: `data/metrics/<data set>/reference/` (for Inception
`inception_reference/`). `features.safetensors` has features and logits of three sets of images: the held-out test
images, against which generated images are scored; training images in a seeded order, for the floor (real against real)
and to find copies of them; and uniform noise, for the ceiling. `moments.npz` has `mu` and `sigma` of the test images'
features, in the form that pytorch-fid reads.

The manifest also has floor and ceiling by the metrics of that day; `anchors_of` adds those of newer metrics.
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
from pipeline.metrics.details import Anchors, ReferenceDetails
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

ANCHOR_IMAGES = 10_000  # most images scored as floor and as ceiling
CHOICE_SEED = 0


class StaleReferenceError(ValueError):
    """Features come from other weights or other images than the present ones; the message names the asset to remake."""


@dataclass(frozen=True)
class Reference:
    """The features against which scores are computed."""

    test: Features  # held-out real images, in the data set's order
    train: Features  # real images that networks train on, in a seeded order
    noise: Features  # uniform noise
    labels: str  # meaning of the logits: see `features.py`

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
    """Return the data set's reference features for an extractor; compute them unless they exist."""
    tensors, network = require_tensors(paths, dataset), require_extractor(extractor, dataset, paths)
    identity = reference_identity(
        tensors,
        network.sha256,
        network.resize,
        anchor_images=ANCHOR_IMAGES,
        train_images=network.most_train_images,
    )

    def fill(folder: Path) -> dict[str, Any]:
        train, test = load_split(tensors, "train").pixels, load_split(tensors, "test").pixels
        images = {
            "test": test,
            "train": train[seeded_order(len(train), network.most_train_images)],
            "noise": _noise(train.shape[1:]),
        }
        values = _extract(network, images)
        with umask_permissions(folder / "features.safetensors"):
            save_file(values, folder / "features.safetensors")
        reference = _reference(values, network.labels)
        moments = fit_moments(reference.test.features)
        np.savez(folder / "moments.npz", mu=moments.mean, sigma=moments.covariance)
        floor, ceiling = reference.anchors(ANCHOR_IMAGES)
        details = ReferenceDetails(
            dataset=dataset,
            extractor=network.name,
            labels=reference.labels,
            tensors=tensors.fingerprint,
            extractor_sha256=network.sha256,
            extractor_accuracy=network.accuracy,
            resize=network.resize,
            images={name: len(pixels) for name, pixels in images.items()},
            anchor_images=ANCHOR_IMAGES,
            floor=floor,
            ceiling=ceiling,
            metrics_version=CODE_VERSION,
            source=tensors.details_as(TensorsDetails).source,
        )
        return to_json(details)

    return make_artefact(paths.reference(dataset, extractor), identity, fill, force=force)


def require_reference(paths: Paths, dataset: str, extractor: str = "classifier") -> Artefact:
    """Return the reference artefact of a data set. Raise one sentence with the remedy if there is none."""
    folder = paths.reference(dataset, extractor)
    return require_artefact(folder, "reference features", f"{dataset}/{folder.name}")


def expect_current(reference: Artefact, extractor: Extractor, tensors: Artefact) -> None:
    """Raise `StaleReferenceError` if a reference comes from other weights or images than the present ones."""
    details = reference.details_as(ReferenceDetails)
    former = {"weights": details.extractor_sha256, "images": details.tensors}
    present = {"weights": extractor.sha256, "images": tensors.fingerprint}
    for input_name, sha256 in present.items():
        if former[input_name] != sha256:
            raise StaleReferenceError(
                f"{reference.folder}: features made with {input_name} {former[input_name][:12]}, but {sha256[:12]} are "
                f"there now; materialize {details.dataset}/{reference.folder.name} again"
            )


def load_reference(artefact: Artefact) -> Reference:
    """Return the reference features of an artefact."""
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
    return {**floor, **new_floor}, {**ceiling, **new_ceiling}


def _stored_anchors(artefact: Artefact, count: int) -> tuple[Anchors, Anchors]:
    """Return the anchors in the manifest; empty if they are of another number of images or of older metrics."""
    details = artefact.details_as(ReferenceDetails)
    # Manifests before this key had one version for metrics and extractors, which is in their identity.
    version = details.metrics_version or (artefact.identity.code_version if artefact.identity else None)
    if count != details.anchor_images or version != CODE_VERSION:
        return {}, {}
    return dict(details.floor), dict(details.ceiling)


def values_of(scores: dict[str, Score]) -> Anchors:
    """Return the values of scores by name; None for a score that is NaN."""
    return {name: None if math.isnan(score.value) else score.value for name, score in scores.items()}


def _extract(extractor: Extractor, images: dict[str, Pixels]) -> dict[str, Any]:
    values = {}
    for name, pixels in images.items():
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
    """Return at most `most` of `count` indices, in the order in which training images' features are stored."""
    return np.random.default_rng(CHOICE_SEED).permutation(count)[:most]


def _noise(shape: tuple[int, ...]) -> Pixels:
    return np.random.default_rng(CHOICE_SEED).integers(0, 256, (ANCHOR_IMAGES, *shape), np.uint8)
