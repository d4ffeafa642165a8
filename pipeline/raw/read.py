"""Read: the images and labels in a folder of raw files of any layout.

In: the raw artefact. Out: for train and test a `RawSplit` (`contents.py`) that reads one picture
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.raw.array_layouts import read_npz, read_parquet
from pipeline.raw.contents import Contents, RawSplit
from pipeline.raw.details import RawDetails
from pipeline.raw.idx_layout import read_idx, read_mnist_5k
from pipeline.raw.picture_layouts import read_celeba, read_pictures
from pipeline.storage.artefact import Artefact

Reader = Callable[[Path, tuple[str, ...], Sequence[str] | None], Contents]

LAYOUTS: dict[str, Reader] = {
    "idx": lambda folder, class_names, _unreadable: read_idx(folder, class_names),
    "mnist_5k_csv": lambda folder, class_names, _unreadable: read_mnist_5k(folder, class_names),
    "celeba": lambda folder, _class_names, unreadable: read_celeba(folder, unreadable),
    "images": lambda folder, _class_names, unreadable: read_pictures(folder, unreadable),
    "npz": lambda folder, _class_names, _unreadable: read_npz(folder),
    "parquet": lambda folder, _class_names, unreadable: read_parquet(folder, unreadable),
}


def read_contents(
    folder: Path, layout: str, class_names: tuple[str, ...] | None, unreadable: Sequence[str] | None = None
) -> Contents:
    """Return the contents of files of a layout.

    `unreadable` names the images that an earlier reading found damaged. None reads every image's bytes and header to
    find them, which takes minutes for 200,000 images.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"{folder}: unknown layout {layout!r}, expected one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[layout](folder, class_names or (), unreadable)


def open_raw(raw: Artefact) -> dict[str, RawSplit]:
    """Return the splits of a raw artefact: `{"train": …, "test": …}`."""
    details = raw.details_as(RawDetails)
    if not details.labels:
        raise ValueError(f"{raw.folder}: made by an older version; materialize {details.dataset}/raw again")
    return read_contents(raw.folder, details.layout, details.class_names, details.unreadable).splits
