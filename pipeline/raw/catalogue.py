"""Catalogue: the data sets there are. A new one is its own file and one line here, or an entry in the user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.raw import celeba, fashion_mnist, mnist
from pipeline.raw.dataset import Dataset
from pipeline.raw.own_data import VARIABLE, read_own
from pipeline.tables import SettingsError, own_file, read_entries

DATASETS: dict[str, Dataset] = {
    dataset.key: dataset for dataset in (mnist.DATASET, fashion_mnist.DATASET, celeba.DATASET, celeba.DATASET_64)
}


def load_datasets(paths: tuple[Path, ...] | None = None) -> dict[str, Dataset]:
    """The built-in data sets and those of the user's files (default: the one that `GANFORGE_DATASETS` names)."""
    return DATASETS | read_entries(own_file(VARIABLE) if paths is None else paths, _read)


def _read(path: Path, key: str, entry: dict[str, Any]) -> Dataset:
    if key in DATASETS:
        raise SettingsError(f"{path}: [{key}] is a built-in data set; expected a key of its own")
    return read_own(path, key, entry)
