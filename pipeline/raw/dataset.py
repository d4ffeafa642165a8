"""Dataset: what a data set file (`mnist.py`, …) declares."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.raw.sources import Source


@dataclass(frozen=True)
class Dataset:
    """A data set: its classes and the sources of its files, in the order they are tried."""

    key: str
    description: str
    licence: str
    class_names: tuple[str, ...]
    sources: tuple[Source, ...]
