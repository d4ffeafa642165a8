"""Rollback: make an earlier promotion the champion again.

In: a recipe, and a version if it is not the previous one. Out: the champion. The weights that were rolled back from are
recorded as rejected, and are not promoted automatically again. Damaged ones are not rejected and may be promoted.
"""

from __future__ import annotations

import logging

from pipeline.champion.decisions import ROLLED_BACK, LogEntry, now, record
from pipeline.champion.versions import (
    Champion,
    DamagedChampionError,
    Pointer,
    intact_version,
    intact_versions,
    promotion_of,
    read_pointer,
    require_champion,
    weights_of_version,
    write_pointer,
)
from pipeline.storage.artefact import Artefact, artefact_lock
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


def rollback(recipe: str, paths: Paths, to: int | None = None) -> Champion:
    """Make the previous version, or version `to`, the champion again and return it. One process at a time.

    Raises `FileNotFoundError` without a champion, and `ValueError` without such a version.
    """
    with artefact_lock(paths.champion(recipe)):
        pointer = _pointer(recipe, to, paths)
        former = None if pointer is None else pointer.version
        version, target = _target(recipe, pointer, to, paths)
        rejected = set(() if pointer is None else pointer.rejected) | _newly_rejected(recipe, former, version, paths)
        reason = f"rolled back from version {former}" if former is not None else "named in place of a damaged pointer"
        previous = promotion_of(target).previous
        still_rejected = tuple(sorted(rejected - {weights_of_version(target)}))
        write_pointer(recipe, Pointer(version, now(), reason, previous, still_rejected), paths)
        champion = require_champion(recipe, paths)
        record(recipe, LogEntry(ROLLED_BACK, version, champion.optimizer, reason), paths)
        return champion


def _pointer(recipe: str, to: int | None, paths: Paths) -> Pointer | None:
    """Return the pointer, or None if it is damaged and a version is named."""
    try:
        pointer = read_pointer(recipe, paths)
    except DamagedChampionError as error:
        if to is None:
            raise
        log.warning("%s; the list of rejected weights is lost with it", error)
        return None
    if pointer is None:
        require_champion(recipe, paths)  # raises, with the command that promotes one
    return pointer


def _target(recipe: str, pointer: Pointer | None, to: int | None, paths: Paths) -> tuple[int, Artefact]:
    """Return the intact version to go back to; `ValueError` if there is none."""
    current = None if pointer is None else pointer.version
    version = to if to is not None or pointer is None else pointer.previous
    others = [number for number in intact_versions(recipe, paths) if number != current]
    there = f"name one with --to: {', '.join(map(str, others))}" if others else "there is no other version"
    if version is None:
        raise ValueError(f"{recipe}: nothing to go back to, version {current} replaced no other version; {there}")
    if version == current:
        raise ValueError(f"{recipe}: version {version} is the champion already; {there}")
    target = intact_version(recipe, version, paths)
    if target is None:
        raise ValueError(f"{recipe}: version {version} is missing or damaged; {there}")
    return version, target


def _newly_rejected(recipe: str, former: int | None, to: int, paths: Paths) -> set[str]:
    """Return the weights rolled back from: of version `former`, and of intact versions between it and `to`."""
    if former is None:
        return set()
    numbers = [number for number in intact_versions(recipe, paths) if number == former or to < number < former]
    versions = [intact_version(recipe, number, paths) for number in numbers]
    return {weights_of_version(version) for version in versions if version is not None}
