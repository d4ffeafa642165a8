"""Acquire: get a data set's files from the first source that has them, check them, publish them with their source.

In: the ordered sources of a `Dataset`. Out: the raw artefact; its details carry source, counts and class histogram.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.raw import CODE_VERSION
from pipeline.raw.dataset import Dataset
from pipeline.raw.read import read_splits
from pipeline.raw.sources import NamedDirectory, Provided, SourceUnavailableError
from pipeline.storage.artefact import Artefact, find_intact, fingerprint, is_intact, publish, read_artefact
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


class NoSourceError(OSError):
    """No source of a data set could give it; the message says why for each and what to do."""


def acquire(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """The data set's raw files: those already there, or new ones from the first source that gives them.

    A directory the user named is read every time, so that its content decides. What another source gave before is
    kept without asking the sources again, unless `force`.
    """
    folder = paths.raw(dataset.key)
    with _alone(folder):
        kept = None if force else _kept(folder, dataset)
        if kept is not None:
            return kept
        working = folder.with_name(f".{dataset.key}.download")  # stays after a failure: downloads continue from there
        provided = _provide(dataset, working)
        decided_by = {"dataset": dataset.key, "layout": provided.layout, **provided.content_sha256}
        wanted = fingerprint("raw", CODE_VERSION, **decided_by)
        artefact = None if force else find_intact(folder, wanted)
        if artefact is None:
            artefact = publish(provided.folder, folder, wanted, _details(dataset, provided))
        shutil.rmtree(working)
        return artefact


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time gets a data set's files; the next one finds them there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kept(folder: Path, dataset: Dataset) -> Artefact | None:
    """The artefact that is there, if no named directory decides otherwise and its files are unharmed."""
    artefact = read_artefact(folder)
    if artefact is None or _directory_named(dataset):
        return None
    if artefact.details["source"] == "directory" and not artefact.details["official"]:
        return None  # it was somebody's own data, and nobody names it any more
    if artefact.details["note"]:
        log.info("%s: keeping the %s; --force asks the mirrors again", dataset.key, artefact.details["note"])
    if not is_intact(artefact):
        log.warning("%s: files in %s are damaged; getting them again", dataset.key, folder)
        return None
    return Artefact(**{**vars(artefact), "cached": True})


def _directory_named(dataset: Dataset) -> bool:
    return any(isinstance(source, NamedDirectory) and source.is_named() for source in dataset.sources)


def _provide(dataset: Dataset, working: Path) -> Provided:
    """Try the sources in order; what the first successful one gave."""
    reasons = []
    for source in dataset.sources:
        own_folder = working / type(source).__name__
        own_folder.mkdir(parents=True, exist_ok=True)
        try:
            provided = source.provide(own_folder)
        except SourceUnavailableError as unavailable:
            reasons.append(str(unavailable))
            continue
        if provided is not None:
            log.info("%s: taken from %s %s", dataset.key, provided.source, provided.origin)
            return provided
    variables = [source.variable for source in dataset.sources if isinstance(source, NamedDirectory)]
    raise NoSourceError(
        f"{dataset.key}: no source has the files. Set {' or '.join(variables)} to a directory with the official files, "
        f"or connect to the internet. Tried: {' | '.join(reasons)}"
    )


def _details(dataset: Dataset, provided: Provided) -> dict[str, Any]:
    splits = read_splits(provided.folder, provided.layout, len(dataset.class_names))
    return {
        "dataset": dataset.key,
        "source": provided.source,
        "origin": provided.origin,
        "official": provided.official,
        "note": provided.note,
        "layout": provided.layout,
        "licence": dataset.licence,
        "content_sha256": provided.content_sha256,
        "images": {name: len(split) for name, split in splits.items()},
        "class_histogram": {name: split.class_histogram(len(dataset.class_names)) for name, split in splits.items()},
    }
