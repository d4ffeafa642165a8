"""Versions: the promotions of a recipe, and which of them is its champion.

In: `data/champion/<recipe>/`. Out: `Champion`, an artefact that can be drawn from like a training. A version appears
whole by rename and never changes; the pointer `current.json` is replaced by rename, so that a reader sees the champion
before or the one after, never neither. Imports no PyTorch.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.storage.artefact import (
    Artefact,
    find_intact,
    is_intact,
    publish,
    read_artefact,
    staging_folder,
    write_json,
)
from pipeline.storage.atomic import flush
from pipeline.storage.identity import Identity
from pipeline.storage.paths import Paths
from pipeline.training.kinds_of_weights import RAW

POINTER = "current.json"
CARD, CARD_TEXT, GRID, ONNX = "card.json", "card.md", "grid.png", "generator.onnx"
NUMBERED = re.compile(r"\d{4,}")


class DamagedChampionError(ValueError):
    """The champion's files are not what was promoted; the message names the way out."""


@dataclass(frozen=True)
class Pointer:
    """What `current.json` says."""

    version: int
    since: str  # ISO 8601, UTC
    reason: str  # of the promotion or of the rollback
    previous: int | None  # the version that `rollback` goes back to
    rejected: tuple[str, ...]  # weights rolled back from, by `name_of_weights`: not promoted again by themselves


@dataclass(frozen=True)
class Champion:
    """A recipe's champion: its version, intact when it was read."""

    recipe: str
    pointer: Pointer
    artefact: Artefact

    @property
    def version(self) -> int:
        """Its number, from 1."""
        return self.pointer.version

    @property
    def optimizer(self) -> str:
        """The key of its configuration."""
        return str(self.artefact.details["optimizer"])

    @property
    def training_fingerprint(self) -> str:
        """Of the training that its weights come from."""
        return str(self.artefact.details["champion"]["training"])

    @property
    def report_id(self) -> str:
        """Of the report that it was promoted for."""
        return str(self.artefact.details["champion"]["report_id"])

    @property
    def weights(self) -> str:
        """Return the kind of weights that it was promoted for, and that is drawn from: "raw" or "average"."""
        return str(self.artefact.details["champion"]["weights"])

    def card(self) -> dict[str, Any]:
        """All that is known of it; `card.py` lists the fields."""
        found: dict[str, Any] = json.loads(self.artefact.verified_path(CARD).read_text(encoding="utf-8"))
        return found

    def __str__(self) -> str:
        return f"champion {self.version} ({self.optimizer})"


def current_champion(recipe: str, paths: Paths) -> Champion | None:
    """The champion, or None where nothing was promoted yet.

    Raises `DamagedChampionError` where its files do not match, `ArtefactFileError` where one may not be read.
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
    """What to do about a damaged champion: a command that works as it stands."""
    intact = intact_versions(recipe, paths)
    if not intact:
        return f"promote one anew with: ganforge champion promote {recipe} --optimizer KEY --force"
    to = "" if pointer.previous in intact else f" --to {intact[-1]}"
    return f"go back to another one with: ganforge champion rollback {recipe}{to}"


def name_of_weights(training: str, weights: str) -> str:
    """Return the name of a training's raw or average weights among the rejected: raw ones have its fingerprint alone.

    Pointers of older versions hold fingerprints alone.
    """
    return training if weights == RAW else f"{training} {weights}"


def weights_of_version(version: Artefact) -> str:
    """Return the name of the weights that a version was promoted for."""
    of = version.details["champion"]
    return name_of_weights(str(of["training"]), str(of["weights"]))


def require_champion(recipe: str, paths: Paths) -> Champion:
    """The champion, or one sentence that says how to promote one."""
    champion = current_champion(recipe, paths)
    if champion is None:
        raise FileNotFoundError(
            f"{recipe}: no champion under {paths.champion(recipe)} yet; promote one with: "
            f"ganforge champion promote {recipe}"
        )
    return champion


def read_pointer(recipe: str, paths: Paths) -> Pointer | None:
    """Which version is champion; None where there is none."""
    path = paths.champion(recipe) / POINTER
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Pointer(**{**found, "rejected": tuple(found["rejected"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedChampionError(
            f"{path}: does not name a champion ({error}); name one of the numbered folders beside it with: "
            f"ganforge champion rollback {recipe} --to N"
        ) from error


def write_pointer(recipe: str, pointer: Pointer, paths: Paths) -> None:
    """Make a version the champion; on the disk when this returns."""
    folder = paths.champion(recipe)
    write_json(folder / POINTER, {**asdict(pointer), "rejected": list(pointer.rejected)})
    flush(folder)


def version_folder(recipe: str, version: int, paths: Paths) -> Path:
    """Of one promotion."""
    return paths.champion(recipe) / f"{version:04d}"


def intact_version(recipe: str, version: int, paths: Paths) -> Artefact | None:
    """A promotion whose files are what its manifest says, or None."""
    artefact = read_artefact(version_folder(recipe, version, paths))
    return artefact if artefact is not None and is_intact(artefact) else None


def intact_versions(recipe: str, paths: Paths) -> list[int]:
    """The numbers of all promotions that are intact, oldest first."""
    return [each for each in _numbers(recipe, paths) if intact_version(recipe, each, paths) is not None]


def version_of(recipe: str, identity: Identity, paths: Paths) -> int | None:
    """The newest intact promotion of an identity: one that is there is not made again."""
    for version in reversed(_numbers(recipe, paths)):
        if find_intact(version_folder(recipe, version, paths), identity.fingerprint) is not None:
            return version
    return None


def next_version(recipe: str, paths: Paths) -> int:
    """One more than any number that was ever given and is still there."""
    return max(_numbers(recipe, paths), default=0) + 1


def add_version(
    recipe: str, version: int, identity: Identity, fill: Callable[[Path], Mapping[str, Any]], paths: Paths
) -> Artefact:
    """Write a promotion: `fill` writes its files and returns the details. It is there whole when this returns.

    What a process that was killed left half-written goes, with its lock. Only whoever holds the recipe's lock may call
    this.
    """
    folder = version_folder(recipe, version, paths)
    for left in folder.parent.glob(".*.partial*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    with staging_folder(folder) as staged:
        files, whole = staged / "files", staged / "whole"
        files.mkdir()
        artefact = publish(files, whole, identity, dict(fill(files)))
        flush(whole)
        whole.rename(folder)
        flush(folder.parent)
    return replace(artefact, folder=folder)


def _numbers(recipe: str, paths: Paths) -> list[int]:
    folder = paths.champion(recipe)
    return sorted(int(each.name) for each in folder.glob("*") if NUMBERED.fullmatch(each.name) and each.is_dir())
