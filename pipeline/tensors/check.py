"""Check: facts about a data set's tensors that must hold before any training.

In: the files and the details of a tensors artefact. Out: one `Finding` per fact. `build` stores them in the artefact's
details: they hold as long as its files are undamaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.findings import Finding, passing_or_failing
from pipeline.raw.contents import histogram
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import read_images, read_in_blocks
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.details import TensorsDetails

IMAGES_AT_ONCE = 1024  # bounds the memory of the float images
AGAIN = "materialize the data set's raw files again, from a sound copy, and then its tensors"

Files = Mapping[str, Path]  # of the splits "train" and "test"


def tensor_findings(tensors: Artefact) -> list[Finding]:
    """Return the findings that were stored when the tensors were made."""
    return list(tensors.details_as(TensorsDetails).checks)


def check_tensors(details: TensorsDetails, files: Files) -> list[Finding]:
    """Return one finding for each of `CHECKS` (`tensors/__init__.py`), over train and test."""
    return [counts_agree(details, files), *check_values(files), complete(details.source.note, details.unreadable)]


def counts_agree(details: TensorsDetails, files: Files) -> Finding:
    """Compare the number of images of each split, class and attribute with the raw files."""
    classes, splits = len(details.class_names), {name: read_images(path) for name, path in files.items()}
    expected = {
        "images": dict(details.images),
        "by_class": {name: list(numbers) for name, numbers in details.class_histogram.items()},
    }
    labels = {name: split.columns.get(LABEL_COLUMNS.get(details.labels, "")) for name, split in splits.items()}
    counts: dict[str, dict[str, Any]] = {
        "images": {name: len(split) for name, split in splits.items()},
        "by_class": {name: histogram(values, classes) for name, values in labels.items()},
    }
    counted = " and ".join(f"{count:,} {name}" for name, count in counts["images"].items())
    agree = counts == expected
    summary = f"{counted} images, {'as the raw files' if agree else 'different counts from the raw files'}"
    return passing_or_failing("counts_agree", "error", agree, summary, {"found": counts, "expected": expected}, AGAIN)


def check_values(files: Files) -> Iterator[Finding]:
    """Check that the values that networks get are finite, lie in [-1, 1], and are not constant."""
    import torch

    from pipeline.pixels import to_network

    lowest, highest, not_finite = float("inf"), float("-inf"), 0
    for path in files.values():
        for pixels in read_in_blocks(path, IMAGES_AT_ONCE):
            images = to_network(torch.tensor(pixels))
            not_finite += int((~torch.isfinite(images)).sum())
            lowest, highest = min(lowest, images.min().item()), max(highest, images.max().item())
    evidence = {"lowest": lowest, "highest": highest, "expected": [-1.0, 1.0]}
    sound, values = -1.0 <= lowest < highest <= 1.0, f"values from {lowest:g} to {highest:g}"
    yield passing_or_failing("values_in_range", "error", sound, values, evidence, AGAIN)
    counted = f"{not_finite:,} values are not finite" if not_finite else "all values are finite"
    yield passing_or_failing(
        "values_finite", "error", not_finite == 0, counted, {"values_not_finite": not_finite}, AGAIN
    )


def complete(note: str, unreadable: Sequence[str]) -> Finding:
    """Return a warning if the data set is not the whole published one or if images of it could not be read."""
    parts = [note] if note else []
    parts += [f"{len(unreadable):,} images could not be read"] if unreadable else []
    summary = "; ".join(parts) or "all images of the published data set"
    evidence = {"note": note, "unreadable": len(unreadable)}
    advice = (
        "scores on a part of a data set compare with each other, but not with published ones: name the official "
        "files (docs/recipes.md, data sources) or connect to the internet, and materialize raw with force"
    )
    return passing_or_failing("complete", "warn", not parts, summary, evidence, advice)
