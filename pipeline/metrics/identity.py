"""Identity: what decides a classifier, a reference and a ladder: images, extractor and settings. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.metrics import CODE_VERSION, EXTRACTOR_VERSION
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity

LADDER_VERSION = "1"  # of the corruptions and of what is made of their scores


@dataclass(frozen=True)
class ClassifierSettings:
    """How the classifier is trained; a budget in images, so that small and large data sets take the same time."""

    images_seen: int = 120_000
    most_epochs: int = 15  # a small data set is not seen more often than this
    batch_size: int = 100
    learning_rate: float = 2e-3  # Adam, falling to 0 along half a cosine
    features: int = 128
    seed: int = 0


EXTRACTOR_SETTINGS = ClassifierSettings()  # of the extractor that scores are taken with


def classifier_identity(tensors: Artefact, settings: ClassifierSettings) -> Identity:
    """Of the classifier trained on these images."""
    return Identity("classifier", EXTRACTOR_VERSION, {"settings": asdict(settings), "tensors": tensors.fingerprint})


def reference_identity(
    tensors: Artefact, extractor_sha256: str, resize: str, *, anchor_images: int, train_images: int | None
) -> Identity:
    """Of the features of these images as an extractor sees them; `train_images` None takes all."""
    decided_by = {
        "tensors": tensors.fingerprint,
        "extractor": extractor_sha256,
        "resize": resize,
        "anchor_images": anchor_images,
        "train_images": train_images,
    }
    return Identity("reference", EXTRACTOR_VERSION, decided_by)


def ladder_identity(tensors: Artefact, extractor_sha256: str, resize: str, facts: Mapping[str, Any]) -> Identity:
    """Of the ladder on these images; `facts` are its numbers of images and draws, and its seed."""
    decided_by = {"tensors": tensors.fingerprint, "extractor": extractor_sha256, "resize": resize, **facts}
    return Identity("ladder", f"{CODE_VERSION}.{LADDER_VERSION}", decided_by)
