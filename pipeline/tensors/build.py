"""Build: raw files → Arrow files, with the checks that say they are sound.

In: the raw artefact. Out: the tensors artefact; its details carry counts, shape, range, preparation and the source of
the data. Memory does not grow with the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.raw.contents import RawSplit, histogram, tolerate
from pipeline.raw.dataset import Dataset
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact, make_artefact, require_artefact
from pipeline.storage.images import Column, write_images_from_file
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.check import judge, to_json
from pipeline.tensors.decode import Decoded, decode_split
from pipeline.tensors.identity import tensors_identity
from pipeline.tensors.prepare import described, note, taken

TRANSFORM = "x = p / 127.5 - 1"


@dataclass(frozen=True)
class _Written:
    """What was written of a split."""

    images: int
    image_shape: tuple[int, ...]
    class_histogram: list[int]
    unreadable: tuple[str, ...]


def build(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """The data set's tensors, built from its raw files unless they are there already."""
    raw = require_artefact(paths.raw(dataset.raw_key), "raw files", f"{dataset.raw_key}/raw")

    def fill(folder: Path) -> dict[str, Any]:
        raw.verify()
        splits = open_raw(raw.folder, raw.details)
        written = {name: _write(folder, name, split, dataset, raw) for name, split in splits.items()}
        train, test = written["train"].image_shape, written["test"].image_shape
        if train != test:
            raise DamagedFileError(
                f"{raw.folder}: training images are {train}, test images {test} (channels, height, width), expected "
                "one shape: set size and channels of the data set"
            )
        origin = {key: raw.details[key] for key in ("source", "origin", "official", "note", "licence")}
        notes = (raw.details["note"], note(len(splits["train"]), dataset.preparation))
        details = {
            "dataset": dataset.key,
            "images": {name: each.images for name, each in written.items()},
            "labels": raw.details["labels"],
            "class_names": raw.details["class_names"],
            "class_histogram": {name: each.class_histogram for name, each in written.items()},
            "image_shape": list(train),
            "value_range": [-1.0, 1.0],
            "preparation": described(dataset.preparation),
            "unreadable": [name for each in written.values() for name in each.unreadable],
            "source": {**origin, "note": "; ".join(each for each in notes if each)},
        }
        findings = judge(details, {name: folder / f"{name}.arrow" for name in written})
        return {**details, "checks": to_json(findings)}

    return make_artefact(paths.tensors(dataset.key), tensors_identity(dataset, raw), fill, force=force)


def _write(folder: Path, name: str, split: RawSplit, dataset: Dataset, raw: Artefact) -> _Written:
    """Write one split to `<name>.arrow`, by way of a file of pixels."""
    split = split.at(taken(name, len(split), dataset.preparation))
    what = f"{dataset.key}: {name} images"
    decoded = decode_split(split, dataset.preparation, folder / f"{name}.pixels", what)
    advice = f"materialize {dataset.raw_key}/raw from a sound copy or remove them"
    tolerate(decoded.unreadable, len(split), what, "cannot be decoded", advice)
    if not decoded.kept:
        raise DamagedFileError(f"{what}: found none that can be decoded, expected at least one")
    labels = decoded.labels(split)
    columns: dict[str, Column] = {} if labels is None else {LABEL_COLUMNS[raw.details["labels"]]: labels}
    _write_arrow(folder / f"{name}.arrow", decoded, columns, _metadata(dataset, name))
    decoded.pixel_file.unlink()
    counts = histogram(labels, len(raw.details["class_names"]))
    return _Written(len(decoded.kept), decoded.image_shape, counts, tuple(decoded.unreadable))


def _write_arrow(path: Path, decoded: Decoded, columns: dict[str, Column], metadata: dict[str, str]) -> None:
    channels, height, width = decoded.image_shape
    shape = (len(decoded.kept), channels, height, width)
    write_images_from_file(path, decoded.pixel_file, shape, columns, metadata)


def _metadata(dataset: Dataset, split_name: str) -> dict[str, str]:
    """Facts of the schema, as texts."""
    facts = {"dataset": dataset.key, "split": split_name, "value_range": "-1,1", "transform": TRANSFORM}
    steps = described(dataset.preparation)
    return facts | {name: "none" if value is None else str(value) for name, value in steps.items()}
