"""Rollback: an earlier promotion becomes champion again.

In: a recipe, and a version where another than the one before is wanted. Out: the champion. Weights that were rolled
back from are remembered as rejected: they are not promoted again by themselves. Where they were damaged, not rejected,
they may be.
"""

from __future__ import annotations

import logging

from pipeline.champion.decisions import ROLLED_BACK, Decided, now, record
from pipeline.champion.versions import (
    Champion,
    DamagedChampionError,
    Pointer,
    intact_version,
    intact_versions,
    read_pointer,
    require_champion,
    weights_of_version,
    write_pointer,
)
from pipeline.storage.artefact import Artefact, locked
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


def rollback(recipe: str, paths: Paths, to: int | None = None) -> Champion:
    """Make the version before, or version `to`, the champion again; one process at a time.

    Raises `FileNotFoundError` where there is no champion, `ValueError` where there is no such version to go back to.
    """
    with locked(paths.champion(recipe)):
        pointer = _pointer(recipe, to, paths)
        left = None if pointer is None else pointer.version
        version, target = _target(recipe, pointer, to, paths)
        rejected = set(() if pointer is None else pointer.rejected) | _left_behind(recipe, left, version, paths)
        reason = f"rolled back from version {left}" if left is not None else "named in place of a damaged pointer"
        previous, still = target.details["champion"]["previous"], rejected - {weights_of_version(target)}
        write_pointer(recipe, Pointer(version, now(), reason, previous, tuple(sorted(still))), paths)
        champion = require_champion(recipe, paths)
        record(recipe, Decided(ROLLED_BACK, version, champion.optimizer, reason), paths)
        return champion


def _pointer(recipe: str, to: int | None, paths: Paths) -> Pointer | None:
    """The pointer; None where it is damaged and a version is named."""
    try:
        pointer = read_pointer(recipe, paths)
    except DamagedChampionError as error:
        if to is None:
            raise
        log.warning("%s; what was rolled back from before is forgotten", error)
        return None
    if pointer is None:
        require_champion(recipe, paths)  # says how to promote one
    return pointer


def _target(recipe: str, pointer: Pointer | None, to: int | None, paths: Paths) -> tuple[int, Artefact]:
    """The version to go back to, intact; one sentence where there is none."""
    current = None if pointer is None else pointer.version
    version = to if to is not None or pointer is None else pointer.previous
    others = [each for each in intact_versions(recipe, paths) if each != current]
    there = f"name one with --to: {', '.join(map(str, others))}" if others else "no other version is there"
    if version is None:
        raise ValueError(f"{recipe}: nothing to go back to, version {current} replaced no other one; {there}")
    if version == current:
        raise ValueError(f"{recipe}: version {version} is the champion already; {there}")
    target = intact_version(recipe, version, paths)
    if target is None:
        raise ValueError(f"{recipe}: version {version} is not there or damaged; {there}")
    return version, target


def _left_behind(recipe: str, left: int | None, to: int, paths: Paths) -> set[str]:
    """The weights rolled back from: the champion's, and of versions skipped on the way; none of damaged ones."""
    if left is None:
        return set()
    passed = [each for each in intact_versions(recipe, paths) if each == left or to < each < left]
    found = [intact_version(recipe, each, paths) for each in passed]
    return {weights_of_version(each) for each in found if each is not None}
