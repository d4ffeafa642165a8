"""Paths: the folder of every artefact, derived from its keys. Nothing here touches the disk.

The root is `GANFORGE_DATA`, or `data/` in the working folder. Processes that ganforge starts use the root of the
command that started them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NOT_PATH_VARIABLES = {"GANFORGE_TRACE", "GANFORGE_UI"}
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}  # folders in which every Python process looks for packages
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
    """Return the variables for a process in another working folder: it uses the same data and this very package.

    `python -m` looks for modules in the working folder first. So no child starts in the user's folder, where a folder
    `assets` or a file `pipeline.py` would take this package's place.
    """
    inherited = [str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    own = [] if PROJECT.name in PACKAGE_FOLDERS else [str(PROJECT)]
    searched = os.pathsep.join(dict.fromkeys([*own, *inherited]))
    return {**os.environ, **_absolute_variables(), **({"PYTHONPATH": searched} if searched else {})}


def _absolute_variables() -> dict[str, str]:
    """Return `GANFORGE_DATA`, and every variable that names a folder or file, with absolute paths."""
    found = {"GANFORGE_DATA": str(data_root())}
    for name, value in os.environ.items():
        is_path = name not in NOT_PATH_VARIABLES and "://" not in value  # an address may stand in a variable too
        if value and is_path and (name == "DAGSTER_HOME" or name.startswith("GANFORGE_")):
            found[name] = str(Path(value).expanduser().resolve())
    return found


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

    def scores_by_step(self, recipe: str, optimizer: str) -> Path:
        """The file of the scores along the newest training of one partition; it is no report, so not among them."""
        return self.root / "scores_by_step" / f"recipe={recipe}" / f"optimizer={optimizer}" / "scores.parquet"

    def comparison(self, recipe: str) -> Path:
        """The ranking of a recipe's configurations."""
        return self.root / "comparison" / recipe

    def champion(self, recipe: str) -> Path:
        """A recipe's promotions, a numbered folder each, and which of them is champion."""
        return self.root / "champion" / recipe

    def dagster(self) -> Path:
        """The Dagster instance (`DAGSTER_HOME`)."""
        return self.root / "dagster"
