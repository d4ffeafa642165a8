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
from pipeline.metrics.extractors.classifier import expect_labels
from pipeline.metrics.extractors.extractor import Extractor, require_extractor
from pipeline.metrics.inception_score import SPLITS
from pipeline.metrics.reference import (
    Anchors,
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
    """What every partition of a data set is judged with, loaded once."""

    dataset: str
    tensors: Artefact
    extractor: Extractor
    reference_artefact: Artefact
    reference: Reference
    thorough: Thorough | None  # where the scores that take minutes are wanted too
    _anchors: dict[int, tuple[Anchors, Anchors]] = field(default_factory=dict)

    @classmethod
    def load(cls, dataset: str, paths: Paths, extractor: str = "classifier", *, thorough: bool = False) -> Judge:
        """The data set's extractor and its reference features, which must belong together."""
        tensors = require_tensors(paths, dataset)
        if extractor == "classifier":
            expect_labels(tensors)  # without any, the advice to train a classifier would be none
        seeing, reference = require_extractor(extractor, dataset, paths), require_reference(paths, dataset, extractor)
        expect_current(reference, seeing, tensors)
        asked = Thorough(dataset, tensors, seeing, paths) if thorough else None
        return cls(dataset, tensors, seeing, reference, load_reference(reference), asked)

    @cached_property
    def train(self) -> ImageFile:
        """The images that networks were trained on."""
        return load_split(self.tensors, "train")

    def anchors(self, count: int) -> tuple[Anchors, Anchors]:
        """What `count` real images and `count` noise images score."""
        if count not in self._anchors:
            self._anchors[count] = self._score_anchors(count)
        return self._anchors[count]

    def score_names(self) -> list[str]:
        """What a member is scored by."""
        return score_names(self.reference.labels, thorough=self.thorough is not None)

    def protocol(self, samples: Artefact) -> dict[str, Any]:
        """Everything that must agree before two scores may be compared."""
        n_generated = samples.details["images_a_member"]
        return {
            "extractor": self.extractor.name,
            "extractor_labels": self.extractor.labels,
            "extractor_sha256": self.extractor.sha256,
            "labels_of_generated": "the extractor's",
            "n_generated": n_generated,
            "n_real": len(self.reference.test),
            "n_train": len(self.reference.train),
            "neighbours": self.reference.real.neighbours,
            "samples_seed": samples.details["seed"],
            "inception_score_splits": SPLITS,
            "real_split": "test",
            "real_images": self.reference_artefact.fingerprint,
            "value_range": "uint8, rounded half up",
            "resize": self.extractor.resize,
            "weights": samples.details_as(SamplesDetails).weights,
            "batch_normalisation": "evaluation",
            "metrics_version": METRICS_VERSION,
        }

    def _score_anchors(self, count: int) -> tuple[Anchors, Anchors]:
        floor, ceiling = anchors_of(self.reference_artefact, self.reference, count)
        if self.thorough is None:
            return floor, ceiling
        pixels = self.train.pixels[seeded_order(len(self.train), count)]
        real = self.thorough.of_images(pixels, self.extractor.extract(pixels))
        return floor | values_of(real), ceiling
