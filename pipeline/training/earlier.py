"""Earlier trainings: weights that a training of other settings replaced, kept so that they need no new training.

In: a partition's folder. Out: `earlier/<first digits of the fingerprint>/` in it, complete artefacts. A training with
more members of the same settings replaces none: it holds the former members itself. Files are linked and not moved, so
that a process killed half-way loses nothing.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from pipeline.storage.artefact import (
    Artefact,
    artefact_lock,
    find_intact,
    publish_artefact,
    read_artefact,
    staging_folder,
)
from pipeline.storage.identity import Identity
from pipeline.storage.paths import MANIFEST
from pipeline.training.identity import share_members

log = logging.getLogger(__name__)

FOLDER = "earlier"
NO_PART = ("checkpoints", FOLDER)  # sub-folders of a partition that are no part of its artefact
DEFAULT_COUNT = 1  # of earlier trainings per partition, without Dagster's settings
DIGITS = 16  # of the fingerprint, in the folder's name


def replace_training(
    staged: Path, folder: Path, identity: Identity, details: dict[str, Any], *, earlier_trainings: int
) -> Artefact:
    """Publish a training from a staging folder, and keep the one that it replaces if that has other settings."""
    with artefact_lock(folder):
        if earlier_trainings > 0:
            _set_aside(folder, identity)
        artefact = publish_artefact(staged, folder, identity, details, keep=NO_PART)
        _remove_oldest(folder, earlier_trainings)
        return artefact


def restore_earlier(folder: Path, identity: Identity, *, earlier_trainings: int) -> None:
    """Publish the intact earlier training of these settings again, if there is one and none is in its place."""
    present = read_artefact(folder)
    if present is not None and _share_settings(present, identity):
        return
    for earlier in earlier_in(folder):
        if _share_settings(earlier, identity) and (intact := find_intact(earlier.folder, earlier.fingerprint)):
            _put_in_place(intact, folder, earlier_trainings)
            return


def earlier_in(folder: Path) -> list[Artefact]:
    """Return a partition's earlier trainings, the one that was replaced last first."""
    folders = [path for path in (folder / FOLDER).glob("*") if not path.name.startswith(".")]
    folders.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    artefacts = map(read_artefact, folders)
    return [artefact for artefact in artefacts if artefact is not None]


def _share_settings(training: Artefact, identity: Identity) -> bool:
    return training.fingerprint == identity.fingerprint or share_members(training.identity, identity)


def _put_in_place(earlier: Artefact, folder: Path, earlier_trainings: int) -> None:
    if earlier.identity is None:  # an artefact of an older version cannot be published again
        return
    with artefact_lock(folder), staging_folder(folder) as staged:
        _link_files(earlier, staged)
        _set_aside(folder, earlier.identity)
        publish_artefact(staged, folder, earlier.identity, earlier.details, keep=NO_PART)
        _remove(earlier.folder)
        _remove_oldest(folder, earlier_trainings)
    log.info("%s: the weights of these settings were kept, not trained again", folder)


def _set_aside(folder: Path, identity: Identity) -> None:
    """Keep the intact training in a folder among the earlier ones, unless it has the settings of `identity`."""
    present = read_artefact(folder)
    if present is None or _share_settings(present, identity):
        return
    if find_intact(folder, present.fingerprint) is not None:
        target = folder / FOLDER / present.fingerprint[:DIGITS]
        with staging_folder(target) as staged:
            _link_files(present, staged)
            shutil.copyfile(folder / MANIFEST, staged / MANIFEST)
            _remove(target)
            staged.rename(target)


def _remove_oldest(folder: Path, count: int) -> None:
    for oldest in earlier_in(folder)[count:]:
        _remove(oldest.folder)


def _link_files(artefact: Artefact, into: Path) -> None:
    for name in artefact.files:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(artefact.path(name), into / name)
        except OSError:  # a file system without links
            shutil.copyfile(artefact.path(name), into / name)


def _remove(folder: Path) -> None:
    """Remove an artefact, its manifest first, so that a half-removed one is none."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
