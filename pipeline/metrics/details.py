"""Details: the facts in the manifests of a classifier, a reference and a ladder. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.raw.details import DataSource

Anchors = Mapping[str, float | None]  # value by score; None if the score is not defined for the images


@dataclass(frozen=True, kw_only=True)
class ClassifierDetails:
    """The facts that a classifier's manifest holds."""

    dataset: str
    tensors: str  # fingerprint of the tensors artefact
    test_accuracy: float  # share of held-out images, or of their attributes, that the classifier names right
    test_images: int
    train_images: int
    labels: str  # meaning of the logits: "classes" | "attributes"
    classes: int  # number of classes or attributes
    image_shape: tuple[int, int, int]  # channels, height, width
    weights_sha256: str  # of classifier.safetensors
    seconds: float  # of training
    source: DataSource


@dataclass(frozen=True, kw_only=True)
class ReferenceDetails:
    """The facts that a reference's manifest holds. Fields with a default are absent in older manifests."""

    dataset: str
    extractor: str
    labels: str  # meaning of the logits: see `features.py`
    tensors: str  # fingerprint of the tensors artefact
    extractor_sha256: str
    extractor_accuracy: float | None  # None for an extractor that was not trained on the data set
    resize: str
    images: Mapping[str, int]  # by set: test, train, noise
    anchor_images: int  # number of images that floor and ceiling were scored with
    floor: Anchors  # of real images
    ceiling: Anchors  # of noise
    metrics_version: str | None = None  # version of the code that scored floor and ceiling
    source: DataSource


@dataclass(frozen=True, kw_only=True)
class LadderDetails:
    """The facts that a ladder's manifest holds."""

    dataset: str
    extractor: str
    extractor_sha256: str
    resize: str
    tensors: str  # fingerprint of the tensors artefact
    images: int  # corrupted images, and as many to score them against
    train_images: int  # most training images among which copies are looked for
    clean_draws: int  # sets of unchanged images that measure the spread of a score
    seed: int
    amounts: Mapping[str, tuple[float, ...]]  # by corruption, one per level
    tolerance: float  # standard errors of a difference that sampling explains
    spreads: Anchors  # standard deviation of each score over sets of unchanged images
    verdicts: Mapping[str, Mapping[str, str]]  # by corruption and score
    fid: Mapping[str, tuple[float | None, ...]]  # by corruption, one per level
    source: DataSource
