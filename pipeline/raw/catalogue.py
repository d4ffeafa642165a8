"""Catalogue: the data sets there are. A new one is its own file and one line here."""

from __future__ import annotations

from pipeline.raw import fashion_mnist, mnist
from pipeline.raw.dataset import Dataset
from pipeline.settings import find

DATASETS: dict[str, Dataset] = {
    mnist.DATASET.key: mnist.DATASET,
    fashion_mnist.DATASET.key: fashion_mnist.DATASET,
}


def dataset(key: str) -> Dataset:
    """A data set by key; an unknown key is one sentence naming those there are."""
    return find(DATASETS, key, "data set")
