"""Catalogue: the data sets there are. A new one is its own file and one line here, or an entry in the user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.raw import celeba, fashion_mnist, mnist
from pipeline.raw.dataset import Dataset
from pipeline.raw.own_data import VARIABLE, read_own, with_raw
from pipeline.tables import SettingsError, read_entries, user_files

DATASETS: dict[str, Dataset] = {
    dataset.key: dataset for dataset in (mnist.DATASET, fashion_mnist.DATASET, celeba.DATASET, celeba.DATASET_64)
}


def load_datasets(paths: tuple[Path, ...] | None = None) -> dict[str, Dataset]:
    """The built-in data sets and those of the user's files (default: the one that `GANFORGE_DATASETS` names)."""
    own = read_entries(user_files(VARIABLE) if paths is None else paths, _read)
    datasets = DATASETS | {key: dataset for key, (_, dataset) in own.items()}
    prepared = {key: with_raw(path, dataset, datasets) for key, (path, dataset) in own.items() if dataset.raw}
    return datasets | prepared


def _read(path: Path, key: str, entry: dict[str, Any]) -> tuple[Path, Dataset]:
    """The data set of an entry, and the file it stands in."""
    if key in DATASETS:
        raise SettingsError(f"{path}: [{key}] is a built-in data set; expected a key of its own")
    return path, read_own(path, key, entry)
