"""Acquire: get a data set's files from the first source that has them, check them, publish them with their source.

In: the ordered sources of a `Dataset`. Out: the raw artefact; its details carry source, counts, labels and omitted
images. If any file is damaged, no artefact appears.
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
from pipeline.storage.artefact import Artefact, artefact_lock, find_intact, is_intact, publish_artefact, read_artefact
from pipeline.storage.details import to_json
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)


class NoSourceError(OSError):
    """No source has the data set's files; the message names the reason for each source and the remedy."""


def acquire(dataset: Dataset, paths: Paths, *, force: bool = False) -> Artefact:
    """Return the data set's raw files: the existing ones, or new ones from the first source that has them.

    Files that the user named are read every time, so that their content decides. Files from another source are kept
    without trying the sources again, unless `force`. A data set that is prepared from another's files gets those.
    """
    folder = paths.raw(dataset.raw_key)
    with artefact_lock(folder):
        working = folder.with_name(f".{folder.name}.download")  # stays after a failure, so that downloads continue
        artefact = None if force else _reuse(folder, dataset, working)
        if artefact is not None:
            return artefact
        return _publish(dataset, _provide(dataset, working), folder, working, force=force)


def _publish(dataset: Dataset, provided: Provided, folder: Path, working: Path, *, force: bool) -> Artefact:
    """Return the artefact of the provided files: the existing one if its files are equal, else a new one."""
    identity = raw_identity(dataset.raw_key, provided.layout, provided.content_sha256)
    artefact = None if force else find_intact(folder, identity.fingerprint)
    try:
        artefact = artefact or publish_artefact(provided.folder, folder, identity, to_json(_details(dataset, provided)))
    except Exception as error:
        shutil.rmtree(working)  # complete but damaged: nothing to continue from, as after an interruption
        if isinstance(error, DamagedFileError):
            error.args = (provided.name_origin(str(error)),)
        raise
    shutil.rmtree(working)
    return artefact


def _reuse(folder: Path, dataset: Dataset, working: Path) -> Artefact | None:
    """Return the existing artefact if its files are undamaged and the user names no files of their own."""
    artefact = read_artefact(folder)
    if artefact is None or any(source.is_named() for source in _named_by_user(dataset)):
        return None
    details = artefact.details_as(RawDetails)
    if details.source == "directory" and not details.official:
        return None  # the user's own data, which no variable names any more
    if details.note:
        log.info("%s: keeping the %s; --force tries the mirrors again", dataset.key, details.note)
    if not is_intact(artefact):
        log.warning("%s: files in %s are damaged; getting them again", dataset.key, folder)
        return None
    if artefact.fingerprint != raw_identity(dataset.raw_key, details.layout, details.content_sha256).fingerprint:
        return _examine_again(dataset, artefact, working)
    return replace(artefact, cached=True)


def _examine_again(dataset: Dataset, artefact: Artefact, working: Path) -> Artefact:
    """Return an artefact of the same files with the details that this version of the code writes."""
    log.info("%s: examining the files of an older version again", dataset.key)
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
    return _publish(dataset, provided, artefact.folder, working, force=True)


def _named_by_user(dataset: Dataset) -> list[UserNamed]:
    return [source for source in dataset.sources if isinstance(source, UserNamed)]


def _provide(dataset: Dataset, working: Path) -> Provided:
    """Try the sources in order and return the files of the first one that has them."""
    reasons = []
    for source in dataset.sources:
        source_folder = working / type(source).__name__
        source_folder.mkdir(parents=True, exist_ok=True)
        try:
            provided = source.provide(source_folder)
        except SourceUnavailableError as unavailable:
            reasons.append(str(unavailable))
            continue
        except Exception:
            if isinstance(source, UserNamed):  # read from the start the next time, so there is nothing to continue
                shutil.rmtree(source_folder)
                with suppress(OSError):  # another source's partial download may be there
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
