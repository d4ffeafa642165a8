"""Tensors: a data set as memory-mapped uint8 pixels and labels, train and test apart.

In: the raw artefact. Out: `data/tensors/<data set>/train.arrow` and `test.arrow` (`storage/images.py`): column `image`
(C, H, W) uint8 in 0..255, cropped and resized as the data set's `Preparation` says; column `label` int64 where there
are classes, `attributes` (K,) uint8, 1 where the image has the attribute, where there are those; in the order of the
source. Networks see float32 in the range their recipe names, through `pixels.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.raw.dataset import Dataset, Preparation
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity

CODE_VERSION = "3"

RESAMPLING = "bicubic, antialiased"  # `prepare.py` resizes so; part of every identity of resized tensors

LABEL_COLUMNS = {"classes": "label", "attributes": "attributes"}  # the column of each kind of labels; "none" has none

CHECKS = {
    "counts_agree": "Both splits hold as many images, and of each class or attribute, as the raw files had.",
    "values_in_range": "What the networks see lies in [-1, 1] and is not constant.",
    "values_finite": "What the networks see is finite.",
    "complete": "The data set is the whole published one, and every image of it could be read. Stops nothing.",
}
BLOCKING = ("counts_agree", "values_in_range", "values_finite")  # nothing is trained where one of these fails


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
