"""Catalogue: all data sets. A new one is a file of its own and its line here, or an entry in the user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.raw import (
    celeba,
    fashion_mnist,
    mnist,
)
from pipeline.raw.dataset import Dataset
from pipeline.raw.own_data import VARIABLE, read_own, with_raw
from pipeline.tables import SettingsError, read_entries, user_files

BUILT_IN = (
    mnist.DATASET,
    fashion_mnist.DATASET,
    celeba.DATASET,
    celeba.DATASET_64,
)
DATASETS: dict[str, Dataset] = {dataset.key: dataset for dataset in BUILT_IN}


def load_datasets(paths: tuple[Path, ...] | None = None) -> dict[str, Dataset]:
    """Return the built-in data sets and those of the user's files (default: the one `GANFORGE_DATASETS` names)."""
    entries = read_entries(user_files(VARIABLE) if paths is None else paths, _read)
    datasets = DATASETS | {key: dataset for key, (_, dataset) in entries.items()}
    prepared = {key: with_raw(path, dataset, datasets) for key, (path, dataset) in entries.items() if dataset.raw}
    return datasets | prepared


def _read(path: Path, key: str, entry: dict[str, Any]) -> tuple[Path, Dataset]:
    """Return the data set of an entry, and the file that holds the entry."""
    if key in DATASETS:
        raise SettingsError(f"{path}: [{key}] is a built-in data set; expected a key of its own")
    return path, read_own(path, key, entry)
