"""Build: raw files → Arrow files, with the findings of the checks on them.

In: the raw artefact. Out: the tensors artefact; its details carry counts, shape, range, preparation and the source of
the data. Memory does not grow with the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.raw.contents import RawSplit, histogram, tolerate
from pipeline.raw.dataset import Dataset
from pipeline.raw.details import RawDetails
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact, make_artefact, require_artefact
from pipeline.storage.details import to_json
from pipeline.storage.images import Column, write_images_from_file
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS, preparation_facts, tensors_identity
from pipeline.tensors.check import check_tensors
from pipeline.tensors.decode import Decoded, decode_split
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.prepare import choice_note, chosen_indices

TRANSFORM = "x = p / 127.5 - 1"


@dataclass(frozen=True)
class _Written:
    """Facts about one written split."""

    images: int
    image_shape: tuple[int, int, int]  # channels, height, width
    class_histogram: tuple[int, ...]
    unreadable: tuple[str, ...]


def build(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """Return the data set's tensors; build them from its raw files unless they exist already."""
    raw = require_artefact(paths.raw(dataset.raw_key), "raw files", f"{dataset.raw_key}/raw")
    raw_details = raw.details_as(RawDetails)

    def fill(folder: Path) -> dict[str, Any]:
        raw.verify()
        splits = open_raw(raw)
        written = {name: _write(folder, name, split, dataset, raw) for name, split in splits.items()}
        train, test = written["train"].image_shape, written["test"].image_shape
        if train != test:
            raise DamagedFileError(
                f"{raw.folder}: training images are {train}, test images {test} (channels, height, width), expected "
                "one shape: set size and channels of the data set"
            )
        notes = (raw_details.note, choice_note(len(splits["train"]), dataset.preparation))
        details = TensorsDetails(
            dataset=dataset.key,
            images={name: split.images for name, split in written.items()},
            labels=raw_details.labels,
            class_names=raw_details.class_names,
            class_histogram={name: split.class_histogram for name, split in written.items()},
            image_shape=train,
            value_range=(-1.0, 1.0),
            preparation=preparation_facts(dataset.preparation),
            unreadable=tuple(name for split in written.values() for name in split.unreadable),
            source=replace(raw_details.data_source, note="; ".join(text for text in notes if text)),
        )
        findings = check_tensors(details, {name: folder / f"{name}.arrow" for name in written})
        return to_json(replace(details, checks=tuple(findings)))

    return make_artefact(paths.tensors(dataset.key), tensors_identity(dataset, raw), fill, force=force)


def _write(folder: Path, name: str, split: RawSplit, dataset: Dataset, raw: Artefact) -> _Written:
    """Write one split to `<name>.arrow`, through a temporary file of pixels."""
    details = raw.details_as(RawDetails)
    split = split.select(chosen_indices(name, len(split), dataset.preparation))
    title = f"{dataset.key}: {name} images"
    decoded = decode_split(split, dataset.preparation, folder / f"{name}.pixels", title)
    advice = f"materialize {dataset.raw_key}/raw from a sound copy or remove them"
    tolerate(decoded.unreadable, len(split), title, "cannot be decoded", advice)
    if not decoded.indices:
        raise DamagedFileError(f"{title}: found none that can be decoded, expected at least one")
    labels = decoded.labels(split)
    columns: dict[str, Column] = {} if labels is None else {LABEL_COLUMNS[details.labels]: labels}
    _write_arrow(folder / f"{name}.arrow", decoded, columns, _metadata(dataset, name))
    decoded.pixel_file.unlink()
    counts = tuple(histogram(labels, len(details.class_names)))
    channels, height, width = decoded.image_shape
    return _Written(len(decoded.indices), (channels, height, width), counts, tuple(decoded.unreadable))


def _write_arrow(path: Path, decoded: Decoded, columns: dict[str, Column], metadata: dict[str, str]) -> None:
    channels, height, width = decoded.image_shape
    shape = (len(decoded.indices), channels, height, width)
    write_images_from_file(path, decoded.pixel_file, shape, columns, metadata)


def _metadata(dataset: Dataset, split_name: str) -> dict[str, str]:
    """Return the facts for the file's schema, as texts."""
    facts = {"dataset": dataset.key, "split": split_name, "value_range": "-1,1", "transform": TRANSFORM}
    steps = preparation_facts(dataset.preparation)
    return facts | {name: "none" if value is None else str(value) for name, value in steps.items()}
