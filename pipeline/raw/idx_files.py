"""IDX files: the four files in which MNIST is published, and with the same names Fashion-MNIST.

`idx_layout.py` reads them; `mnist.py` and `fashion_mnist.py` name their checksums and mirrors.
"""

from __future__ import annotations

from collections.abc import Callable

IMAGES = {"train": "train-images-idx3-ubyte.gz", "test": "t10k-images-idx3-ubyte.gz"}
LABELS = {"train": "train-labels-idx1-ubyte.gz", "test": "t10k-labels-idx1-ubyte.gz"}


def checksums(*, train_images: str, train_labels: str, test_images: str, test_labels: str) -> dict[str, str]:
    """Return by file name the sha256 of each file's decompressed content."""
    return {
        IMAGES["train"]: train_images,
        LABELS["train"]: train_labels,
        IMAGES["test"]: test_images,
        LABELS["test"]: test_labels,
    }


def torchvision_mirrors(name: str) -> Callable[[], list[str]]:
    """Return a function that returns the official mirrors of a data set that torchvision lists under `name`."""

    def addresses() -> list[str]:
        from torchvision import datasets  # imported here: it takes seconds

        return list(getattr(datasets, name).mirrors)

    return addresses
