"""Tensors: a data set as memory-mapped uint8 pixels and labels, with train and test in separate files.

In: the raw artefact. Out: `data/tensors/<data set>/train.arrow` and `test.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255, cropped and resized by the data set's `Preparation`. Data sets with classes have a column
`label` int64, those with attributes a column `attributes` (K,) uint8, 1 where the image has the attribute. Rows are in
the order of the source. Networks get float32 in the range of their recipe, through `pixels.py`.
Decided by: the data set's key, the raw files and the preparation (`tensors_identity`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.raw.dataset import Dataset, Preparation
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity

CODE_VERSION = "3"

RESAMPLING = "bicubic, antialiased"  # `prepare.py` resizes so; part of every identity of resized tensors

LABEL_COLUMNS = {"classes": "label", "attributes": "attributes"}  # by kind of labels; "none" has no column

CHECKS = {
    "counts_agree": "Both splits hold as many images as the raw files, also of each class or attribute.",
    "values_in_range": "The values that networks get lie in [-1, 1] and are not constant.",
    "values_finite": "The values that networks get are finite.",
    "complete": "The data set is the whole published one, and every image of it could be read. Stops nothing.",
}
BLOCKING = ("counts_agree", "values_in_range", "values_finite")  # a failure stops classifiers and trainings


def tensors_identity(dataset: Dataset, raw: Artefact) -> Identity:
    """Return the identity of a data set's tensors: its key, the raw files and the preparation of its images."""
    decided_by = {
        "dataset": dataset.key,
        "raw": raw.fingerprint,
        "preparation": preparation_facts(dataset.preparation),
    }
    return Identity("tensors", CODE_VERSION, decided_by)


def preparation_facts(preparation: Preparation) -> dict[str, Any]:
    """Return a preparation as plain values, for identities and manifests."""
    return {**asdict(preparation), "resampling": RESAMPLING if preparation.size else None}
