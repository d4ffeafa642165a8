"""Paths: the folder of every artefact, derived from its keys. Nothing here touches the disk.

The root is `GANFORGE_DATA`, or `data/` beside this package.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NOT_PATHS = {"GANFORGE_TRACE", "GANFORGE_UI"}
PROJECT = Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """The absolute root of all artefacts: `GANFORGE_DATA`, or the project's `data/`."""
    return Path(os.environ.get("GANFORGE_DATA") or PROJECT / "data").expanduser().resolve()


def make_variables_absolute() -> None:
    """Folders and files named in `GANFORGE_…` and `DAGSTER_HOME` stay the same for processes that start elsewhere."""
    for name, value in os.environ.items():
        is_path = name not in NOT_PATHS and "://" not in value  # an address may stand in a variable too
        if value and is_path and (name == "DAGSTER_HOME" or name.startswith("GANFORGE_")):
            os.environ[name] = str(Path(value).expanduser().resolve())


@dataclass(frozen=True)
class Paths:
    """The data folder: one method a stage, each giving the folder of one artefact."""

    root: Path

    @classmethod
    def default(cls) -> Paths:
        """The paths under `data_root()`."""
        return cls(data_root())

    def raw(self, dataset: str) -> Path:
        """Files as published."""
        return self.root / "raw" / dataset

    def tensors(self, dataset: str) -> Path:
        """`train.arrow` and `test.arrow`."""
        return self.root / "tensors" / dataset

    def classifier(self, dataset: str) -> Path:
        """The data set's own feature extractor."""
        return self.root / "metrics" / dataset / "classifier"

    def reference(self, dataset: str, extractor: str = "classifier") -> Path:
        """Features of real images and of noise, as an extractor sees them."""
        name = "reference" if extractor == "classifier" else f"{extractor}_reference"
        return self.root / "metrics" / dataset / name

    def ladder(self, dataset: str, extractor: str = "classifier") -> Path:
        """Every score on graded corruptions of real images, as an extractor sees them."""
        name = "ladder" if extractor == "classifier" else f"{extractor}_ladder"
        return self.root / "metrics" / dataset / name

    def training(self, recipe: str, optimizer: str) -> Path:
        """Weights, settings, history and snapshots of one partition."""
        return self.root / "training" / recipe / optimizer

    def samples(self, recipe: str, optimizer: str) -> Path:
        """Generated images of one partition."""
        return self.root / "samples" / recipe / optimizer

    def reports(self) -> Path:
        """The append-only store, hive-partitioned by recipe and optimizer."""
        return self.root / "reports"

    def comparison(self, recipe: str) -> Path:
        """The ranking of a recipe's configurations."""
        return self.root / "comparison" / recipe

    def champion(self, recipe: str) -> Path:
        """A recipe's promotions, a numbered folder each, and which of them is champion."""
        return self.root / "champion" / recipe

    def dagster(self) -> Path:
        """The Dagster instance (`DAGSTER_HOME`)."""
        return self.root / "dagster"
