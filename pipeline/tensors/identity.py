"""Identity: what decides a data set's tensors: the raw files and how images are prepared."""

from __future__ import annotations

from pipeline.raw.dataset import Dataset
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.tensors import CODE_VERSION
from pipeline.tensors.prepare import described


def tensors_identity(dataset: Dataset, raw: Artefact) -> Identity:
    """Of the tensors that `raw` files become."""
    decided_by = {"dataset": dataset.key, "raw": raw.fingerprint, "preparation": described(dataset.preparation)}
    return Identity("tensors", CODE_VERSION, decided_by)
