"""Data sets as values: the sources of the files, the classes and the preparation of the images.

Each data set is declared in a file of its own, such as `mnist.py`, or in an entry of the user's file (`own_data.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from pipeline.raw.sources import Source
from pipeline.tables import CHECKED

Count = Annotated[int, Field(ge=1)]


@checked_dataclass(frozen=True, config=CHECKED)
class Preparation:
    """Changes to the images of the raw files before they are stored as tensors; by default there are none."""

    crop: Annotated[
        Count | None,
        Field(
            description="Side in pixels of the centred square cut out; without it, the largest one if size is given."
        ),
    ] = None
    size: Annotated[
        Count | None, Field(description="Side in pixels after an antialiased resize; without it, no resize.")
    ] = None
    channels: Annotated[
        Literal[1, 3] | None, Field(description="1: grey, 3: RGB; without it, the channels that all files share.")
    ] = None
    num_images: Annotated[Count | None, Field(description="Training images at most; without it, all.")] = None
    subset: Annotated[
        Literal["first", "random"],
        Field(description="Images kept by num_images: first by name, or random ones in the order of their names."),
    ] = "first"
    seed: Annotated[int, Field(ge=0, description="Seed of the random subset.")] = 0


UNPREPARED = Preparation()


@dataclass(frozen=True)
class Dataset:
    """A data set: its sources in the order in which they are tried, its classes, and the preparation of its images."""

    key: str
    description: str
    licence: str
    sources: tuple[Source, ...]
    class_names: tuple[str, ...] | None = None  # None: found in the data
    raw: str = ""  # key of the data set with the raw files; empty: its own files
    preparation: Preparation = UNPREPARED

    @property
    def raw_key(self) -> str:
        """The key of the data set that has the raw files."""
        return self.raw or self.key
