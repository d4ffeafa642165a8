"""Reference: what the extractor sees in real images and in noise, the fixed points every score stands between.

In: the data set's tensors and classifier. Out: `data/metrics/<data set>/reference/features.safetensors`: features and
logits of the held-out test images (what generated images are judged against), of as many training images (the floor:
real against real) and of uniform noise (the ceiling).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from pipeline.metrics import CODE_VERSION
from pipeline.metrics.catalogue import score
from pipeline.metrics.classifier import extract, load_classifier, require_classifier
from pipeline.metrics.features import Features
from pipeline.storage.artefact import Artefact, fingerprint, make_artefact, require_artefact
from pipeline.storage.images import Pixels
from pipeline.storage.paths import Paths
from pipeline.tensors.load import load_split, require_tensors

ANCHOR_IMAGES = 10_000  # at most so many training images and noise images are kept
CHOICE_SEED = 0


@dataclass(frozen=True)
class Reference:
    """The features that scores are computed against."""

    test: Features  # held-out real images, in the data set's order
    train: Features  # real images that networks train on, in a seeded order
    noise: Features  # uniform noise
    labels: str  # what the logits stand for

    def anchors(self, count: int) -> tuple[dict[str, float], dict[str, float]]:
        """Every score of `count` real training images (the floor) and of `count` noise images (the ceiling).

        As many as are judged, because the scores depend on the count; fewer where the data set has fewer.
        """
        floor, ceiling = (score(each.first(count), self.test, self.labels) for each in (self.train, self.noise))
        return floor, ceiling


def make_reference(dataset: str, paths: Paths, *, force: bool = False) -> Artefact:
    """The data set's reference features, computed unless they are there already."""
    tensors, classifier = require_tensors(paths, dataset), require_classifier(paths, dataset)
    wanted = fingerprint(
        "reference",
        CODE_VERSION,
        tensors=tensors.fingerprint,
        extractor=classifier.details["weights_sha256"],
        anchor_images=ANCHOR_IMAGES,
    )

    def fill(folder: Path) -> dict[str, Any]:
        network = load_classifier(classifier)
        train, test = load_split(tensors, "train").pixels, load_split(tensors, "test").pixels
        seen = {"test": test, "train": _chosen(train), "noise": _noise(train.shape[1:])}
        values = {}
        for name, pixels in seen.items():
            features = extract(network, pixels)
            values[f"{name}.features"], values[f"{name}.logits"] = features.features, features.logits
        save_file(values, folder / "features.safetensors")
        reference = _reference(values, classifier.details["labels"])
        floor, ceiling = reference.anchors(ANCHOR_IMAGES)
        return {
            "dataset": dataset,
            "extractor": "classifier",
            "labels": reference.labels,
            "tensors": tensors.fingerprint,
            "extractor_sha256": classifier.details["weights_sha256"],
            "extractor_accuracy": classifier.details["test_accuracy"],
            "images": {name: len(pixels) for name, pixels in seen.items()},
            "floor": floor,
            "ceiling": ceiling,
            "source": tensors.details["source"],
        }

    return make_artefact(paths.reference(dataset), wanted, fill, force=force)


def require_reference(paths: Paths, dataset: str) -> Artefact:
    """The reference artefact of a data set, or a sentence saying how to make it."""
    return require_artefact(paths.reference(dataset), "reference features", f"{dataset}/reference")


def load_reference(artefact: Artefact) -> Reference:
    """The reference features of an artefact."""
    return _reference(load_file(artefact.path("features.safetensors")), artefact.details["labels"])


def _reference(values: dict[str, Any], labels: str) -> Reference:
    names = ("test", "train", "noise")
    test, train, noise = (Features(values[f"{name}.features"], values[f"{name}.logits"]) for name in names)
    return Reference(test, train, noise, labels)


def _chosen(pixels: Pixels) -> Pixels:
    order = np.random.default_rng(CHOICE_SEED).permutation(len(pixels))[:ANCHOR_IMAGES]
    chosen: Pixels = pixels[order]
    return chosen


def _noise(shape: tuple[int, ...]) -> Pixels:
    return np.random.default_rng(CHOICE_SEED).integers(0, 256, (ANCHOR_IMAGES, *shape), np.uint8)
