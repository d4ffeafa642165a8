"""Acquire: get a data set's files from the first source that has them, check them, publish them with their source.

In: the ordered sources of a `Dataset`. Out: the raw artefact; its details carry source, counts, labels and what was
left out. Nothing appears where a file is not what it should be.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.raw import raw_identity
from pipeline.raw.dataset import Dataset
from pipeline.raw.details import RawDetails
from pipeline.raw.idx import DamagedFileError
from pipeline.raw.read import read_contents
from pipeline.raw.sources import Provided, SourceUnavailableError, UserNamed
from pipeline.storage.artefact import Artefact, find_intact, is_intact, locked, publish, read_artefact
from pipeline.storage.details import to_json
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


class NoSourceError(OSError):
    """No source of a data set could give it; the message says why for each and what to do."""


def acquire(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """The data set's raw files: those already there, or new ones from the first source that gives them.

    What the user named is read every time, so that its content decides. What another source gave before is kept
    without asking the sources again, unless `force`. A data set prepared from another's files gets those.
    """
    folder = paths.raw(dataset.raw_key)
    with locked(folder):
        working = folder.with_name(f".{folder.name}.download")  # stays after a failure: downloads continue from there
        kept = None if force else _kept(folder, dataset, working)
        if kept is not None:
            return kept
        return _published(dataset, _provide(dataset, working), folder, working, force=force)


def _published(dataset: Dataset, provided: Provided, folder: Path, working: Path, *, force: bool) -> Artefact:
    """The artefact of the files provided: the one that is there, if it is of the same, else a new one."""
    wanted = raw_identity(dataset.raw_key, provided.layout, provided.content_sha256)
    artefact = None if force else find_intact(folder, wanted.fingerprint)
    try:
        artefact = artefact or publish(provided.folder, folder, wanted, to_json(_details(dataset, provided)))
    except Exception as error:
        shutil.rmtree(working)  # complete, but not what it should be; an interruption leaves it to go on from
        if isinstance(error, DamagedFileError):
            error.args = (provided.name_origin(str(error)),)
        raise
    shutil.rmtree(working)
    return artefact


def _kept(folder: Path, dataset: Dataset, working: Path) -> Artefact | None:
    """The artefact that is there, if nothing the user named decides otherwise and its files are unharmed."""
    artefact = read_artefact(folder)
    if artefact is None or any(source.is_named() for source in _named_by_user(dataset)):
        return None
    details = artefact.details_as(RawDetails)
    if details.source == "directory" and not details.official:
        return None  # it was somebody's own data, and nobody names it any more
    if details.note:
        log.info("%s: keeping the %s; --force asks the mirrors again", dataset.key, details.note)
    if not is_intact(artefact):
        log.warning("%s: files in %s are damaged; getting them again", dataset.key, folder)
        return None
    if artefact.fingerprint != raw_identity(dataset.raw_key, details.layout, details.content_sha256).fingerprint:
        return _examined_again(dataset, artefact, working)
    return replace(artefact, cached=True)


def _examined_again(dataset: Dataset, artefact: Artefact, working: Path) -> Artefact:
    """The same files as they are, with details as this version of the code finds them."""
    log.info("%s: examining the files again that an older version got", dataset.key)
    shutil.rmtree(working, ignore_errors=True)
    for name in artefact.files:
        (working / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artefact.path(name), working / name)
    details = artefact.details_as(RawDetails)
    provided = Provided(
        folder=working,
        source=details.source,
        origin=details.origin,
        layout=details.layout,
        content_sha256=dict(details.content_sha256),
        official=details.official,
        note=details.note,
    )
    return _published(dataset, provided, artefact.folder, working, force=True)


def _named_by_user(dataset: Dataset) -> list[UserNamed]:
    return [source for source in dataset.sources if isinstance(source, UserNamed)]


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
        except Exception:
            if isinstance(source, UserNamed):  # it is read anew the next time: there is nothing to go on from
                shutil.rmtree(own_folder)
                with suppress(OSError):  # another source's part may be there
                    working.rmdir()
            raise
        if provided is not None:
            log.info("%s: taken from %s %s", dataset.key, provided.source, provided.origin)
            return provided
    ways_out = " or ".join(source.how_to_name for source in _named_by_user(dataset))
    raise NoSourceError(
        f"{dataset.key}: no source has the files. {ways_out}, or connect to the internet. Tried: {' | '.join(reasons)}"
    )


def _details(dataset: Dataset, provided: Provided) -> RawDetails:
    contents = read_contents(provided.folder, provided.layout, dataset.class_names)
    return RawDetails(
        dataset=dataset.raw_key,
        source=provided.source,
        origin=provided.origin,
        official=provided.official,
        note=provided.note,
        layout=provided.layout,
        licence=dataset.licence,
        content_sha256=provided.content_sha256,
        labels=contents.labels,
        class_names=contents.class_names,
        images={name: len(split) for name, split in contents.splits.items()},
        class_histogram={name: tuple(counts) for name, counts in contents.histogram().items()},
        test_split=contents.test_split,
        unused=contents.unused,
        unreadable=contents.unreadable,
        unlisted=contents.unlisted,
    )
