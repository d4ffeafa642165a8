"""Identity: the facts that decide a classifier, a reference and a ladder. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.metrics import CODE_VERSION, EXTRACTOR_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity

LADDER_VERSION = "1"  # version of the corruptions and of the verdicts on their scores


@dataclass(frozen=True)
class ClassifierSettings:
    """The settings of a classifier's training. The budget counts images, so that all data sets take the same time."""

    images_seen: int = 120_000
    most_epochs: int = 15  # passes over a small data set, even if `images_seen` allows more
    batch_size: int = 100
    learning_rate: float = 2e-3  # Adam, falling to 0 along half a cosine
    features: int = 128
    seed: int = 0


EXTRACTOR_SETTINGS = ClassifierSettings()  # of the classifier that serves as extractor


def classifier_identity(tensors: Artefact, settings: ClassifierSettings) -> Identity:
    """Return the identity of the classifier trained on these images."""
    return Identity("classifier", EXTRACTOR_VERSION, {"settings": asdict(settings), "tensors": tensors.fingerprint})


def reference_identity(
    tensors: Artefact, extractor_sha256: str, resize: str, *, anchor_images: int, train_images: int | None
) -> Identity:
    """Return the identity of an extractor's features of these images; `train_images` None: all of them.

    Metrics are no part of it: features serve any metric, so a new one needs no new reference.
    """
    decided_by = {
        "tensors": tensors.fingerprint,
        "extractor": extractor_sha256,
        "resize": resize,
        "anchor_images": anchor_images,
        "train_images": train_images,
    }
    return Identity("reference", EXTRACTOR_VERSION, decided_by)


def ladder_identity(tensors: Artefact, extractor_sha256: str, resize: str, facts: Mapping[str, Any]) -> Identity:
    """Return the identity of a ladder on these images; `facts` are its numbers of images and sets, and its seed."""
    decided_by = {"tensors": tensors.fingerprint, "extractor": extractor_sha256, "resize": resize, **facts}
    return Identity("ladder", f"{CODE_VERSION}.{LADDER_VERSION}", decided_by)
