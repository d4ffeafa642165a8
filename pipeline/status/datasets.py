"""Data sets: the status of raw files, tensors, and of what scores are taken with.

In: a data set and the data folder. Out: its statuses by the last part of the asset's name, in the order they are made.
An Inception reference and the ladders are looked at where they are; nobody needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.metrics.identity import EXTRACTOR_SETTINGS, classifier_identity, ladder_identity, reference_identity
from pipeline.raw import raw_identity
from pipeline.raw.dataset import Dataset
from pipeline.raw.sources import NamedInEnvironment, UserNamed
from pipeline.status.state import NO_RECORD, Status, Subject, changed, judge
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS, tensors_identity

FACTS_OF_LADDER = ("images", "train_images", "clean_draws", "seed")
WORDS = {
    "raw": "the raw files are others now",
    "tensors": "the tensors were made again",
    "extractor": "the extractor's weights are others now",
}


def dataset_statuses(dataset: Dataset, paths: Paths, *, verify: bool = False) -> dict[str, Status]:
    """Of a data set's assets: raw, tensors, and where its images have labels classifier and reference."""
    raw = _raw(dataset, paths, verify)
    tensors = _tensors(dataset, raw, paths, verify)
    found = {"raw": raw, "tensors": tensors}
    extractors = ["inception"]
    if _can_have_classifier(read_artefact(paths.tensors(dataset.key))) or paths.classifier(dataset.key).exists():
        found["classifier"] = _classifier(dataset, tensors, paths, verify)
        extractors.insert(0, "classifier")
    for extractor in extractors:
        found |= _seen_by(extractor, dataset, found, paths, verify)
    return found


def _can_have_classifier(tensors: Artefact | None) -> bool:
    return tensors is None or tensors.details.get("labels") in LABEL_COLUMNS


# ---------------------------------------------------------------------------------------------------------------------
# Raw files and tensors


def _raw(dataset: Dataset, paths: Paths, verify: bool) -> Status:
    def changes(artefact: Artefact) -> list[str]:
        details = artefact.details
        wanted = raw_identity(dataset.raw_key, details["layout"], details["content_sha256"])
        theirs = details["source"] == "directory" and not details["official"]
        unnamed = theirs and not any(source.is_named() for source in _named_by_user(dataset))
        gone = [f"{details['origin']} is named by nobody any more, and is not the published data"] if unnamed else []
        return [*gone, *changed(artefact, wanted, WORDS)]

    subject = _subject(f"{dataset.raw_key}/raw", paths.raw(dataset.raw_key), ())
    return judge(subject, changes, verify=verify, notes=_other_origin(dataset, subject.artefact))


def _named_by_user(dataset: Dataset) -> list[UserNamed]:
    return [source for source in dataset.sources if isinstance(source, UserNamed)]


def _other_origin(dataset: Dataset, raw: Artefact | None) -> list[str]:
    """That the user names files elsewhere now: what is in them is only known when they are read."""
    named = [
        source
        for source in _named_by_user(dataset)
        if raw is not None and isinstance(source, NamedInEnvironment) and source.is_named()
    ]
    return [
        f"{source.variable} names {source.named_path()} now, which is read when it is materialized"
        for source in named
        if raw is not None and str(source.named_path()) != raw.details["origin"]
    ]


def _tensors(dataset: Dataset, raw: Status, paths: Paths, verify: bool) -> Status:
    def changes(artefact: Artefact) -> list[str]:
        made_from = read_artefact(paths.raw(dataset.raw_key))
        return [] if made_from is None else changed(artefact, tensors_identity(dataset, made_from), WORDS)

    subject = _subject(f"{dataset.key}/tensors", paths.tensors(dataset.key), (raw,))
    return judge(subject, changes, verify=verify)


# ---------------------------------------------------------------------------------------------------------------------
# What scores are taken with


def _classifier(dataset: Dataset, tensors: Status, paths: Paths, verify: bool) -> Status:
    def changes(artefact: Artefact) -> list[str]:
        images = read_artefact(paths.tensors(dataset.key))
        return [] if images is None else changed(artefact, classifier_identity(images, EXTRACTOR_SETTINGS), WORDS)

    subject = _subject(f"{dataset.key}/classifier", paths.classifier(dataset.key), (tensors,))
    return judge(subject, changes, verify=verify)


def _seen_by(
    extractor: str, dataset: Dataset, made: dict[str, Status], paths: Paths, verify: bool
) -> dict[str, Status]:
    """The reference of an extractor, and its ladder where there is one."""
    inputs = tuple(made[name] for name in ("tensors", extractor) if name in made)
    found: dict[str, Status] = {}
    reference = _subject(*_place(paths.reference(dataset.key, extractor), dataset), inputs)
    if extractor == "classifier" or reference.artefact is not None:
        status = judge(reference, lambda there: _reference_changes(there, extractor, dataset, paths), verify=verify)
        found[reference.folder.name] = status
        inputs = (*inputs, status)
    ladder = _subject(*_place(paths.ladder(dataset.key, extractor), dataset), inputs)
    if ladder.artefact is not None:
        status = judge(ladder, lambda there: _ladder_changes(there, extractor, dataset, paths), verify=verify)
        found[ladder.folder.name] = status
    return found


def _place(folder: Path, dataset: Dataset) -> tuple[str, Path]:
    return f"{dataset.key}/{folder.name}", folder


def _reference_changes(artefact: Artefact, extractor: str, dataset: Dataset, paths: Paths) -> list[str]:
    """Against the images and the weights there now; the numbers of images are constants of the code's version."""
    images, sha256 = _images_and_weights(artefact, extractor, dataset, paths)
    if images is None or sha256 is None:
        return []
    if artefact.identity is None and extractor != "classifier":
        return [NO_RECORD]
    known = _decided(artefact, train_images=None)
    wanted = reference_identity(
        images,
        sha256,
        artefact.details["resize"],
        anchor_images=artefact.details["anchor_images"],
        train_images=known["train_images"],
    )
    return changed(artefact, wanted, WORDS)


def _ladder_changes(artefact: Artefact, extractor: str, dataset: Dataset, paths: Paths) -> list[str]:
    """The same of a ladder; how many images it is of was chosen when it was made."""
    images, sha256 = _images_and_weights(artefact, extractor, dataset, paths)
    if images is None or sha256 is None:
        return []
    details = artefact.details
    known = _decided(artefact, **{name: details[name] for name in FACTS_OF_LADDER})
    facts = {name: known[name] for name in FACTS_OF_LADDER}
    return changed(artefact, ladder_identity(images, sha256, details["resize"], facts), WORDS)


def _images_and_weights(
    artefact: Artefact, extractor: str, dataset: Dataset, paths: Paths
) -> tuple[Artefact | None, str | None]:
    """The tensors and the sha256 of the extractor's weights now; Inception's are those it was made with."""
    images = read_artefact(paths.tensors(dataset.key))
    if extractor != "classifier":
        return images, artefact.details["extractor_sha256"]
    classifier = read_artefact(paths.classifier(dataset.key))
    return images, None if classifier is None else classifier.details["weights_sha256"]


def _decided(artefact: Artefact, **otherwise: Any) -> dict[str, Any]:
    """What it was made from, as far as it is known."""
    return otherwise if artefact.identity is None else {**otherwise, **artefact.identity.decided_by}


def _subject(asset: str, folder: Path, inputs: Sequence[Status]) -> Subject:
    return Subject(asset, None, folder, read_artefact(folder), tuple(inputs))
