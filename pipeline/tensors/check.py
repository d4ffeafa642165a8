"""Check: facts that must hold of a data set's tensors before anything is trained on them.

In: the tensors artefact. Out: one `Finding` a fact, with its evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.raw.contents import histogram
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import ImageFile
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.load import load_split, network_images

IMAGES_AT_ONCE = 1024  # bounds the memory of the float images


@dataclass(frozen=True)
class Finding:
    """Whether a fact holds, and what was seen."""

    name: str
    passed: bool
    evidence: dict[str, Any]


def check(tensors: Artefact) -> list[Finding]:
    """One finding for each of `CHECKS` (`tensors/__init__.py`), over train and test."""
    splits = {name: load_split(tensors, name) for name in ("train", "test")}
    return [counts_agree(tensors, splits), *values_sound(splits)]


def counts_agree(tensors: Artefact, splits: dict[str, ImageFile]) -> Finding:
    """Both splits hold as many images, and of each class or attribute, as the raw files had."""
    details, classes = tensors.details, len(tensors.details["class_names"])
    expected = {"images": details["images"], "by_class": details["class_histogram"]}
    labels = {name: split.columns.get(LABEL_COLUMNS.get(details["labels"], "")) for name, split in splits.items()}
    found = {
        "images": {name: len(split) for name, split in splits.items()},
        "by_class": {name: histogram(values, classes) for name, values in labels.items()},
    }
    return Finding("counts_agree", found == expected, {"found": found, "expected": expected})


def values_sound(splits: dict[str, ImageFile]) -> Iterator[Finding]:
    """What the networks would see is finite, lies in [-1, 1], and is not constant."""
    lowest, highest, not_finite = float("inf"), float("-inf"), 0
    for split in splits.values():
        for start in range(0, len(split), IMAGES_AT_ONCE):
            rows = ImageFile(split.pixels[start : start + IMAGES_AT_ONCE], {}, {})
            images = network_images(rows)
            not_finite += int((~torch.isfinite(images)).sum())
            lowest, highest = min(lowest, images.min().item()), max(highest, images.max().item())
    evidence = {"lowest": lowest, "highest": highest, "expected": [-1.0, 1.0]}
    yield Finding("values_in_range", -1.0 <= lowest < highest <= 1.0, evidence)
    yield Finding("values_finite", not_finite == 0, {"values_not_finite": not_finite})
