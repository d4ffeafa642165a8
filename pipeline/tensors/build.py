"""Build: raw files → Arrow files, with the checks that say they are sound.

In: the raw artefact. Out: the tensors artefact; its details carry counts, shape, range and the source of the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.raw.dataset import Dataset
from pipeline.raw.read import Split, read_splits
from pipeline.storage.artefact import Artefact, fingerprint, make_artefact, require_artefact
from pipeline.storage.images import write_images
from pipeline.storage.paths import Paths
from pipeline.tensors import CODE_VERSION

TRANSFORM = "x = p / 127.5 - 1"


def build(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """The data set's tensors, built from its raw files unless they are there already."""
    raw = require_artefact(paths.raw(dataset.key), "raw files", f"{dataset.key}/raw")
    wanted = fingerprint("tensors", CODE_VERSION, dataset=dataset.key, raw=raw.fingerprint)

    def fill(folder: Path) -> dict[str, Any]:
        splits = read_splits(raw.folder, raw.details["layout"], len(dataset.class_names))
        for name, split in splits.items():
            _write(folder / f"{name}.arrow", dataset.key, name, split)
        return {
            "dataset": dataset.key,
            "images": {name: len(split) for name, split in splits.items()},
            "class_histogram": {
                name: split.class_histogram(len(dataset.class_names)) for name, split in splits.items()
            },
            "image_shape": list(splits["train"].pixels.shape[1:]),
            "class_names": list(dataset.class_names),
            "value_range": [-1.0, 1.0],
            "source": {key: raw.details[key] for key in ("source", "origin", "official", "note", "licence")},
        }

    return make_artefact(paths.tensors(dataset.key), wanted, fill, force=force)


def _write(path: Path, dataset: str, split_name: str, split: Split) -> None:
    metadata = {"dataset": dataset, "split": split_name, "value_range": "-1,1", "transform": TRANSFORM}
    write_images(path, split.pixels, {"label": split.labels}, metadata)
