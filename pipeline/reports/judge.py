"""Judge: the feature extractor, the reference and the protocol that all partitions of a data set are scored with.

In: the data set's extractor, its reference features and its tensors. Out: `Judge`. It computes no score of a generator:
`score.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.metrics import CODE_VERSION as METRICS_VERSION
from pipeline.metrics.catalogue import score_names
from pipeline.metrics.details import Anchors
from pipeline.metrics.extractors.classifier import expect_labels
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.inception_score import SPLITS
from pipeline.metrics.reference import (
    Reference,
    anchors_of,
    expect_current,
    load_reference,
    require_reference,
    seeded_order,
    values_of,
)
from pipeline.reports.thorough import Thorough
from pipeline.samples.details import SamplesDetails
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import ImageFile
from pipeline.storage.paths import Paths
from pipeline.tensors.load import load_split, require_tensors


@dataclass(frozen=True)
class Judge:
    """The extractor, the reference and the images that score all partitions of a data set, loaded once."""

    dataset: str
    tensors: Artefact
    extractor: Extractor
    reference_artefact: Artefact
    reference: Reference
    thorough: Thorough | None  # set if the scores that take minutes are computed too
    _anchors: dict[int, tuple[Anchors, Anchors]] = field(default_factory=dict)  # by number of images

    @classmethod
    def load(cls, dataset: str, paths: Paths, extractor: str = "classifier", *, thorough: bool = False) -> Judge:
        """Load the data set's extractor and reference features; an error if they do not belong together."""
        tensors = require_tensors(paths, dataset)
        if extractor == "classifier":
            expect_labels(tensors)  # without labels, the advice to train a classifier would not help
        network, reference = require_extractor(extractor, dataset, paths), require_reference(paths, dataset, extractor)
        expect_current(reference, network, tensors)
        slow_scores = Thorough(dataset, tensors, network, paths) if thorough else None
        return cls(dataset, tensors, network, reference, load_reference(reference), slow_scores)

    @cached_property
    def train(self) -> ImageFile:
        """The images that networks were trained on."""
        return load_split(self.tensors, "train")

    def anchors(self, count: int) -> tuple[Anchors, Anchors]:
        """Return the scores of `count` real images (the floor) and of `count` noise images (the ceiling)."""
        if count not in self._anchors:
            self._anchors[count] = self._score_anchors(count)
        return self._anchors[count]

    def score_names(self) -> list[str]:
        """Return the names of a member's scores."""
        return score_names(self.reference.labels, thorough=self.thorough is not None)

    def protocol(self, samples: Artefact) -> dict[str, Any]:
        """Return the facts that must agree before two scores may be compared."""
        details = samples.details_as(SamplesDetails)
        return {
            "extractor": self.extractor.name,
            "extractor_labels": self.extractor.labels,
            "extractor_sha256": self.extractor.sha256,
            "labels_of_generated": "the extractor's",
            "n_generated": details.images_per_member,
            "n_real": len(self.reference.test),
            "n_train": len(self.reference.train),
            "neighbours": self.reference.real.neighbours,
            "samples_seed": details.seed,
            "inception_score_splits": SPLITS,
            "real_split": "test",
            "real_images": self.reference_artefact.fingerprint,
            "value_range": "uint8, rounded half up",
            "resize": self.extractor.resize,
            "weights": details.weights,
            "batch_normalisation": "evaluation",
            "metrics_version": METRICS_VERSION,
        }

    def _score_anchors(self, count: int) -> tuple[Anchors, Anchors]:
        floor, ceiling = anchors_of(self.reference_artefact, self.reference, count)
        if self.thorough is None:
            return floor, ceiling
        pixels = self.train.pixels[seeded_order(len(self.train), count)]
        real = self.thorough.score_images(pixels, self.extractor.extract(pixels))
        return {**floor, **values_of(real)}, ceiling
