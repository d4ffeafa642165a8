"""Orphans: networks and samples of recipes and configurations that no table has any more.

In: the keys of the tables, and the data folder. Out: `Orphan`s. Only folders that ganforge made are listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.paths import MANIFEST, Paths

ASSETS = {"training": "generator", "samples": "samples"}  # by stage: one folder per recipe and configuration


@dataclass(frozen=True)
class Orphan:
    """One folder of a recipe or configuration that is gone."""

    asset: str  # such as "mnist_mlp/generator"
    optimizer: str
    folder: Path
    reason: str


def find_orphans(recipes: Collection[str], optimizers: Collection[str], paths: Paths) -> Iterator[Orphan]:
    """Yield the folders whose recipe or configuration is not among these keys."""
    for stage, asset in ASSETS.items():
        for folder in sorted((paths.root / stage).glob("*/*")):
            recipe, optimizer = folder.parent.name, folder.name
            if recipe not in recipes:
                reason = f"recipe {recipe} is in no table"
            elif optimizer not in optimizers:
                reason = f"configuration {optimizer} is in no table"
            else:
                continue
            if _is_ours(folder):
                yield Orphan(f"{recipe}/{asset}", optimizer, folder, reason)


def _is_ours(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() or (folder / "checkpoints").is_dir()
