"""Versions: the promotions of a recipe, and the pointer to the one that is its champion.

In: `data/champion/<recipe>/`. Out: `Champion`, an artefact that generates images as a training does. A version appears
complete by rename and never changes. The pointer `current.json` is replaced by rename too, so a reader always sees a
champion, the former or the new one. Imports no PyTorch.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.champion.details import ChampionDetails
from pipeline.storage.artefact import (
    Artefact,
    find_intact,
    is_intact,
    publish_artefact,
    read_artefact,
    staging_folder,
    write_json,
)
from pipeline.storage.atomic import flush
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.training.details import PromotionDetails, TrainingDetails
from pipeline.training.kinds_of_weights import RAW

POINTER = "current.json"
CARD, CARD_TEXT, GRID, ONNX = "card.json", "card.md", "grid.png", "generator.onnx"
NUMBERED = re.compile(r"\d{4,}")


class DamagedChampionError(ValueError):
    """The champion's files are not those that were promoted; the message has a command that helps."""


@dataclass(frozen=True)
class Pointer:
    """The content of `current.json`; the names of the fields are its keys."""

    version: int
    since: str  # ISO 8601, UTC
    reason: str  # of the promotion or of the rollback
    previous: int | None  # the version that `rollback` goes back to
    rejected: tuple[str, ...]  # weights rolled back from, as `name_of_weights`: not promoted automatically again


@dataclass(frozen=True)
class Champion:
    """A recipe's champion with its artefact, which was intact when it was read."""

    recipe: str
    pointer: Pointer
    artefact: Artefact

    @property
    def version(self) -> int:
        """The number of the version, from 1."""
        return self.pointer.version

    @property
    def optimizer(self) -> str:
        """The key of the champion's configuration."""
        return self.artefact.details_as(TrainingDetails).optimizer

    @property
    def training_fingerprint(self) -> str:
        """The fingerprint of the training that the weights come from."""
        return promotion_of(self.artefact).training

    @property
    def report_id(self) -> str:
        """The id of the report that the weights were promoted for."""
        return promotion_of(self.artefact).report_id

    @property
    def weights(self) -> str:
        """The kind of weights that was promoted and that generates images: "raw" or "average"."""
        return promotion_of(self.artefact).weights

    def card(self) -> dict[str, Any]:
        """Return the content of `card.json`; `card.py` lists the fields."""
        facts: dict[str, Any] = json.loads(self.artefact.verified_path(CARD).read_text(encoding="utf-8"))
        return facts

    def __str__(self) -> str:
        return f"champion {self.version} ({self.optimizer})"


def current_champion(recipe: str, paths: Paths) -> Champion | None:
    """Return the champion, or None before the first promotion.

    Raises `DamagedChampionError` if its files do not match, `ArtefactFileError` without permission to read one.
    """
    pointer = read_pointer(recipe, paths)
    if pointer is None:
        return None
    artefact = intact_version(recipe, pointer.version, paths)
    if artefact is None:
        folder, way_out = version_folder(recipe, pointer.version, paths), _way_out(recipe, pointer, paths)
        raise DamagedChampionError(f"{folder}: the champion's files are not those that were promoted; {way_out}")
    return Champion(recipe, pointer, artefact)


def _way_out(recipe: str, pointer: Pointer, paths: Paths) -> str:
    """Return a clause with a complete command that replaces a damaged champion."""
    intact = intact_versions(recipe, paths)
    if not intact:
        return f"promote a new one with: ganforge champion promote {recipe} --optimizer KEY --force"
    to = "" if pointer.previous in intact else f" --to {intact[-1]}"
    return f"go back to another one with: ganforge champion rollback {recipe}{to}"


def name_of_weights(training: str, weights: str) -> str:
    """Return the name of a training's raw or average weights in the list of rejected weights.

    The name of raw weights is the fingerprint alone, as in the pointers of older versions.
    """
    return training if weights == RAW else f"{training} {weights}"


def weights_of_version(version: Artefact) -> str:
    """Return the name of the weights that a version was promoted for."""
    promotion = promotion_of(version)
    return name_of_weights(promotion.training, promotion.weights)


def promotion_of(version: Artefact) -> PromotionDetails:
    """Return the facts of the promotion in a version's manifest; `DetailsError` if it has none."""
    return version.details_as(ChampionDetails).champion


def require_champion(recipe: str, paths: Paths) -> Champion:
    """Return the champion; `FileNotFoundError` with the command that promotes one if there is none."""
    champion = current_champion(recipe, paths)
    if champion is None:
        raise FileNotFoundError(
            f"{recipe}: no champion under {paths.champion(recipe)} yet; promote one with: "
            f"ganforge champion promote {recipe}"
        )
    return champion


def read_pointer(recipe: str, paths: Paths) -> Pointer | None:
    """Return the pointer to the champion's version, or None before the first promotion."""
    path = paths.champion(recipe) / POINTER
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Pointer(**{**values, "rejected": tuple(values["rejected"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedChampionError(
            f"{path}: does not name a champion ({error}); name one of the numbered folders beside it with: "
            f"ganforge champion rollback {recipe} --to N"
        ) from error


def write_pointer(recipe: str, pointer: Pointer, paths: Paths) -> None:
    """Make a version the champion; the pointer is on the disk when this returns."""
    folder = paths.champion(recipe)
    write_json(folder / POINTER, {**asdict(pointer), "rejected": list(pointer.rejected)})
    flush(folder)


def version_folder(recipe: str, version: int, paths: Paths) -> Path:
    """Return the folder of one promotion."""
    return paths.champion(recipe) / f"{version:04d}"


def intact_version(recipe: str, version: int, paths: Paths) -> Artefact | None:
    """Return a promotion with files that match its manifest, or None."""
    artefact = read_artefact(version_folder(recipe, version, paths))
    return artefact if artefact is not None and is_intact(artefact) else None


def intact_versions(recipe: str, paths: Paths) -> list[int]:
    """Return the numbers of all intact promotions, oldest first."""
    return [number for number in _numbers(recipe, paths) if intact_version(recipe, number, paths) is not None]


def version_of(recipe: str, identity: Identity, paths: Paths) -> int | None:
    """Return the newest intact promotion of an identity, or None. It is used again and not written twice."""
    for version in reversed(_numbers(recipe, paths)):
        if find_intact(version_folder(recipe, version, paths), identity.fingerprint) is not None:
            return version
    return None


def next_version(recipe: str, paths: Paths) -> int:
    """Return the highest existing number plus one; 1 for the first promotion."""
    return max(_numbers(recipe, paths), default=0) + 1


def add_version(
    recipe: str, version: int, identity: Identity, fill: Callable[[Path], Mapping[str, Any]], paths: Paths
) -> Artefact:
    """Write a promotion and return it: `fill` writes the files and returns the details.

    The folder is complete and on the disk when this returns. Leftovers of a killed process are removed first, so the
    caller must hold the recipe's lock.
    """
    folder = version_folder(recipe, version, paths)
    for leftover in folder.parent.glob(".*.partial*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    with staging_folder(folder) as staged:
        files, complete = staged / "files", staged / "whole"
        files.mkdir()
        artefact = publish_artefact(files, complete, identity, dict(fill(files)))
        flush(complete)
        complete.rename(folder)
        flush(folder.parent)
    return replace(artefact, folder=folder)


def _numbers(recipe: str, paths: Paths) -> list[int]:
    folder = paths.champion(recipe)
    versions = (path for path in folder.glob("*") if NUMBERED.fullmatch(path.name) and path.is_dir())
    return sorted(int(path.name) for path in versions)
