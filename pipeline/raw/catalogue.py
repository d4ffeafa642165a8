"""Catalogue: the data sets there are. A new one is its own file and one line here."""

from __future__ import annotations

from pipeline.raw import fashion_mnist, mnist
from pipeline.raw.dataset import Dataset

DATASETS: dict[str, Dataset] = {
    mnist.DATASET.key: mnist.DATASET,
    fashion_mnist.DATASET.key: fashion_mnist.DATASET,
}
