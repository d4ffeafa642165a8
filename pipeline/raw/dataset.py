"""Dataset: what a data set file (`mnist.py`, …) declares: its sources, its classes, how its images are prepared."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.raw.sources import Source

SUBSETS = ("first", "random")


@dataclass(frozen=True)
class Preparation:
    """What is done to the images of the raw files before they are stored as tensors. Nothing, where all is None."""

    crop: int | None = None  # side in pixels of the centred square cut out; None: the largest one where `size` is given
    size: int | None = None  # side in pixels after an antialiased resize; None: not resized
    channels: int | None = None  # 1 grey | 3 RGB | None: as found, the same for all images
    num_images: int | None = None  # training images at most; None: all
    subset: str = "first"  # which ones: the "first" by name | "random" ones, kept in the order of their names
    seed: int = 0  # of the random subset


@dataclass(frozen=True)
class Dataset:
    """A data set: the sources of its files in the order they are tried, its classes, the preparation of its images."""

    key: str
    description: str
    licence: str
    sources: tuple[Source, ...]
    class_names: tuple[str, ...] | None = None  # None: found in the data
    raw: str = ""  # key of the data set whose raw files it is prepared from, where not its own
    preparation: Preparation = Preparation()

    @property
    def raw_key(self) -> str:
        """The key of the data set whose raw files it is prepared from."""
        return self.raw or self.key
