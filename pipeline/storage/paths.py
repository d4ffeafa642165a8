"""Paths: the folder of every artefact, derived from its keys. No function here touches the disk.

The root is `GANFORGE_DATA`, or `data/` in the working folder. Processes that ganforge starts use the root of the
command that started them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NOT_PATH_VARIABLES = {"GANFORGE_TRACE", "GANFORGE_UI"}
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}  # folders in which every Python process looks for packages
MANIFEST = "manifest.json"  # in the folder of every artefact
PROJECT = Path(__file__).resolve().parents[2]  # holds the packages: a checkout, or one of those folders


def data_root() -> Path:
    """Return the absolute root of all artefacts: `GANFORGE_DATA`, or `data` in the working folder."""
    return Path(os.environ.get("GANFORGE_DATA") or "data").expanduser().resolve()


def unused_checkout_data() -> Path | None:
    """Return the checkout's data folder if it has content and the current command, started elsewhere, uses none yet."""
    checkout = PROJECT / "data"
    if os.environ.get("GANFORGE_DATA") or data_root().exists() or not checkout.is_dir():
        return None
    return checkout if any(path.is_dir() for path in checkout.iterdir()) else None


def make_variables_absolute() -> None:
    """Fix the data folder, and the folders and files named in variables, for processes that start elsewhere."""
    os.environ.update(_absolute_variables())


def child_environment() -> dict[str, str]:
    """Return the variables for a process in another working folder: it uses the same data and this package.

    `python -m` looks for modules in the working folder first. So no child starts in the user's folder, where a folder
    `assets` or a file `pipeline.py` would take this package's place.
    """
    inherited = [str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    project = [] if PROJECT.name in PACKAGE_FOLDERS else [str(PROJECT)]
    searched = os.pathsep.join(dict.fromkeys([*project, *inherited]))
    return {**os.environ, **_absolute_variables(), **({"PYTHONPATH": searched} if searched else {})}


def _absolute_variables() -> dict[str, str]:
    """Return `GANFORGE_DATA`, and every variable that names a folder or file, with absolute paths."""
    variables = {"GANFORGE_DATA": str(data_root())}
    for name, value in os.environ.items():
        is_path = name not in NOT_PATH_VARIABLES and "://" not in value  # a variable may hold a web address
        if value and is_path and (name == "DAGSTER_HOME" or name.startswith("GANFORGE_")):
            variables[name] = str(Path(value).expanduser().resolve())
    return variables


@dataclass(frozen=True)
class Paths:
    """The data folder, with one method per stage that returns the folder of one artefact."""

    root: Path

    @classmethod
    def default(cls) -> Paths:
        """Return the paths under `data_root()`."""
        return cls(data_root())

    def raw(self, dataset: str) -> Path:
        """Return the folder of a data set's files as published."""
        return self.root / "raw" / dataset

    def tensors(self, dataset: str) -> Path:
        """Return the folder of `train.arrow` and `test.arrow`."""
        return self.root / "tensors" / dataset

    def classifier(self, dataset: str) -> Path:
        """Return the folder of the data set's own feature extractor."""
        return self.root / "metrics" / dataset / "classifier"

    def reference(self, dataset: str, extractor: str = "classifier") -> Path:
        """Return the folder of an extractor's features of real images and of noise."""
        name = "reference" if extractor == "classifier" else f"{extractor}_reference"
        return self.root / "metrics" / dataset / name

    def ladder(self, dataset: str, extractor: str = "classifier") -> Path:
        """Return the folder of all scores on graded corruptions of real images, by an extractor's features."""
        name = "ladder" if extractor == "classifier" else f"{extractor}_ladder"
        return self.root / "metrics" / dataset / name

    def training(self, recipe: str, optimizer: str) -> Path:
        """Return the folder of one partition's weights, settings, history and snapshots."""
        return self.root / "training" / recipe / optimizer

    def samples(self, recipe: str, optimizer: str) -> Path:
        """Return the folder of one partition's generated images."""
        return self.root / "samples" / recipe / optimizer

    def reports(self) -> Path:
        """Return the folder of the append-only store, hive-partitioned by recipe and optimizer."""
        return self.root / "reports"

    def scores_by_step(self, recipe: str, optimizer: str) -> Path:
        """Return the file of the scores along one partition's newest training, outside the reports."""
        return self.root / "scores_by_step" / f"recipe={recipe}" / f"optimizer={optimizer}" / "scores.parquet"

    def comparison(self, recipe: str) -> Path:
        """Return the folder of the ranking of a recipe's configurations."""
        return self.root / "comparison" / recipe

    def champion(self, recipe: str) -> Path:
        """Return the folder of a recipe's promotions: one numbered folder each, and a pointer to the champion."""
        return self.root / "champion" / recipe

    def dagster(self) -> Path:
        """Return the folder of the Dagster instance (`DAGSTER_HOME`)."""
        return self.root / "dagster"
