"""Dataset: what a data set file (`mnist.py`, …) declares: its sources, its classes, how its images are prepared."""

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
    """What is done to the images of the raw files before they are stored as tensors. Nothing, where all is None."""

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
    """A data set: the sources of its files in the order they are tried, its classes, the preparation of its images."""

    key: str
    description: str
    licence: str
    sources: tuple[Source, ...]
    class_names: tuple[str, ...] | None = None  # None: found in the data
    raw: str = ""  # key of the data set whose raw files it is prepared from, where not its own
    preparation: Preparation = UNPREPARED

    @property
    def raw_key(self) -> str:
        """The key of the data set whose raw files it is prepared from."""
        return self.raw or self.key
