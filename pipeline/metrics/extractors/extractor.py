"""Extractor: the network that computes the features and logits behind every score of a set of images.

In: a name. Out: an `Extractor`, which reads its weights with the first image. `classifier` is trained on the data set's
own labels and is the default; `inception` is the network of published scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.metrics.details import ClassifierDetails
from pipeline.metrics.features import IMAGENET, Features
from pipeline.raw.progress import Progress
from pipeline.storage.images import Pixels
from pipeline.storage.paths import Paths
from pipeline.tables import find
from pipeline.tensors.load import require_tensors

BLOCK = 256  # images between two reports of progress
INCEPTION_TRAIN_IMAGES = 10_000  # a forward pass of Inception takes a tenth of a second on a CPU


class StaleClassifierError(ValueError):
    """The classifier was trained on other images than the data set has now."""


@dataclass(frozen=True)
class Extractor:
    """A network with the facts that decide its features."""

    name: str
    sha256: str  # of the weights
    labels: str  # meaning of the logits: see `features.py`
    resize: str  # the resizing of images before the network, "none" without it
    load: Callable[[], Callable[[Pixels], Features]]
    accuracy: float | None = None  # on held-out images, if it was trained on the data set's labels
    most_train_images: int | None = None  # most training images to look for copies among; None: all of them

    def extract(self, pixels: Pixels) -> Features:
        """Return the features of images (N, C, H, W) uint8, in blocks; log the progress if it takes long."""
        progress = Progress(f"{self.name} features", len(pixels))
        blocks = []
        for start in range(0, len(pixels), BLOCK):
            blocks.append(self.extract_batch(pixels[start : start + BLOCK]))
            progress.report(start + len(blocks[-1]))
        return joined_features(blocks)

    def extract_batch(self, pixels: Pixels) -> Features:
        """Return the features and logits of a batch of images (N, C, H, W) uint8."""
        return self._network(pixels)

    @cached_property
    def _network(self) -> Callable[[Pixels], Features]:
        return self.load()


def joined_features(parts: list[Features]) -> Features:
    """Return the features of several sets as those of one set."""
    logits = [part.logits for part in parts if part.logits is not None]
    return Features(np.concatenate([part.features for part in parts]), np.concatenate(logits) if logits else None)


def require_extractor(name: str, dataset: str, paths: Paths) -> Extractor:
    """Return the extractor of that name for a data set. Raise one sentence with the remedy if it is missing."""
    return find(EXTRACTORS, name, "extractor")(dataset, paths)


def _classifier(dataset: str, paths: Paths) -> Extractor:
    from pipeline.metrics.extractors.classifier import extract, load_classifier, require_classifier

    artefact, tensors = require_classifier(paths, dataset), require_tensors(paths, dataset)
    details = artefact.details_as(ClassifierDetails)
    if details.tensors != tensors.fingerprint:
        raise StaleClassifierError(
            f"{artefact.folder}: trained on images {details.tensors[:12]}, but {tensors.fingerprint[:12]} "
            f"are there now; materialize {dataset}/classifier again"
        )

    def load() -> Callable[[Pixels], Features]:
        network = load_classifier(artefact)
        return lambda pixels: extract(network, pixels)

    return Extractor("classifier", details.weights_sha256, details.labels, "none", load, accuracy=details.test_accuracy)


def _inception(dataset: str, paths: Paths) -> Extractor:  # noqa: ARG001, one network for every data set
    from pipeline.metrics.extractors.inception import extract, load_inception
    from pipeline.metrics.extractors.inception_weights import require_inception_weights

    weights = require_inception_weights(paths)

    def load() -> Callable[[Pixels], Features]:
        network = load_inception(weights)
        return lambda pixels: extract(network, pixels)

    resize = "bilinear to 299x299 as TensorFlow 1"
    return Extractor("inception", weights.sha256, IMAGENET, resize, load, most_train_images=INCEPTION_TRAIN_IMAGES)


EXTRACTORS: dict[str, Callable[[str, Paths], Extractor]] = {"classifier": _classifier, "inception": _inception}
