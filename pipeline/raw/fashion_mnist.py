"""Fashion-MNIST: 60,000 + 10,000 garments, 28x28 grey, ten classes.

Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747 (MIT licence). Checksums are of the decompressed files; they are
the ones Debian's package gives and several public loaders pin.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.raw.dataset import Dataset
from pipeline.raw.idx_files import checksums, torchvision_mirrors
from pipeline.raw.sources import Mirrors, NamedDirectory, SystemDirectory

CONTENT_SHA256 = checksums(
    train_images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    train_labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    test_images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    test_labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)

DATASET = Dataset(
    key="fashion_mnist",
    description="Garments, 28x28 grey",
    licence="MIT",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sources=(
        NamedDirectory("GANFORGE_FASHION_MNIST", CONTENT_SHA256),
        Mirrors(torchvision_mirrors("FashionMNIST"), CONTENT_SHA256),
        SystemDirectory("dataset-fashion-mnist", Path("/usr/share/datasets/fashion-mnist"), CONTENT_SHA256),
    ),
)
