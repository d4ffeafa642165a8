"""Data sets: the statuses of raw files, tensors, classifier, references and ladders.

In: a data set and the data folder. Out: its statuses by the last part of the asset's name, in the order they are made.
An Inception reference and the ladders are optional, so they have a status only if they exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.metrics.details import ClassifierDetails, LadderDetails, ReferenceDetails
from pipeline.metrics.identity import EXTRACTOR_SETTINGS, classifier_identity, ladder_identity, reference_identity
from pipeline.raw import raw_identity
from pipeline.raw.dataset import Dataset
from pipeline.raw.details import RawDetails
from pipeline.raw.sources import NamedInEnvironment, UserNamed
from pipeline.status.state import NO_RECORD, AssetFolder, Status, assess, identity_changes, unless_too_old
from pipeline.storage.artefact import Artefact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS, tensors_identity
from pipeline.tensors.details import TensorsDetails

FACTS_OF_LADDER = ("images", "train_images", "clean_draws", "seed")
WORDS = {
    "raw": "the raw files changed",
    "tensors": "the tensors were made again",
    "extractor": "the extractor's weights changed",
}


def dataset_statuses(dataset: Dataset, paths: Paths, *, verify: bool = False) -> dict[str, Status]:
    """Return the statuses of raw files and tensors, and of classifier and reference if the images have labels."""
    raw = _raw(dataset, paths, verify)
    tensors = _tensors(dataset, raw, paths, verify)
    statuses = {"raw": raw, "tensors": tensors}
    extractors = ["inception"]
    if _can_have_classifier(read_artefact(paths.tensors(dataset.key))) or paths.classifier(dataset.key).exists():
        statuses["classifier"] = _classifier(dataset, tensors, paths, verify)
        extractors.insert(0, "classifier")
    for extractor in extractors:
        statuses |= _extractor_statuses(extractor, dataset, statuses, paths, verify)
    return statuses


def _can_have_classifier(tensors: Artefact | None) -> bool:
    return tensors is None or unless_too_old(
        lambda: tensors.details_as(TensorsDetails).labels in LABEL_COLUMNS, otherwise=True
    )


# ---------------------------------------------------------------------------------------------------------------------
# Raw files and tensors


def _raw(dataset: Dataset, paths: Paths, verify: bool) -> Status:
    def find_changes(artefact: Artefact) -> list[str]:
        details = artefact.details_as(RawDetails)
        identity_now = raw_identity(dataset.raw_key, details.layout, dict(details.content_sha256))
        is_users = details.source == "directory" and not details.official
        is_unnamed = is_users and not any(source.is_named() for source in _sources_of_user(dataset))
        gone = f"no variable or table names {details.origin} any more, and it is not the published data"
        return [*([gone] if is_unnamed else []), *identity_changes(artefact, identity_now, WORDS)]

    stored = _stored(f"{dataset.raw_key}/raw", paths.raw(dataset.raw_key), ())
    notes: list[str] = unless_too_old(lambda: _describe_other_origin(dataset, stored.artefact), [])
    return assess(stored, find_changes, verify=verify, notes=notes)


def _sources_of_user(dataset: Dataset) -> list[UserNamed]:
    return [source for source in dataset.sources if isinstance(source, UserNamed)]


def _describe_other_origin(dataset: Dataset, raw: Artefact | None) -> list[str]:
    """Return notes on variables that name other files now. The content is unknown until a run reads them."""
    if raw is None:
        return []
    return [
        f"{source.variable} names {source.named_path()} now; materialize the raw files to read it"
        for source in _sources_of_user(dataset)
        if isinstance(source, NamedInEnvironment)
        and source.is_named()
        and str(source.named_path()) != raw.details_as(RawDetails).origin
    ]


def _tensors(dataset: Dataset, raw: Status, paths: Paths, verify: bool) -> Status:
    def find_changes(artefact: Artefact) -> list[str]:
        files = read_artefact(paths.raw(dataset.raw_key))
        return [] if files is None else identity_changes(artefact, tensors_identity(dataset, files), WORDS)

    stored = _stored(f"{dataset.key}/tensors", paths.tensors(dataset.key), (raw,))
    return assess(stored, find_changes, verify=verify)


# ---------------------------------------------------------------------------------------------------------------------
# Classifier, references and ladders


def _classifier(dataset: Dataset, tensors: Status, paths: Paths, verify: bool) -> Status:
    def find_changes(artefact: Artefact) -> list[str]:
        images = read_artefact(paths.tensors(dataset.key))
        if images is None:
            return []
        return identity_changes(artefact, classifier_identity(images, EXTRACTOR_SETTINGS), WORDS)

    stored = _stored(f"{dataset.key}/classifier", paths.classifier(dataset.key), (tensors,))
    return assess(stored, find_changes, verify=verify)


def _extractor_statuses(
    extractor: str, dataset: Dataset, upstream: dict[str, Status], paths: Paths, verify: bool
) -> dict[str, Status]:
    """Return the status of an extractor's reference, and of its ladder if there is one."""
    inputs = tuple(upstream[name] for name in ("tensors", extractor) if name in upstream)
    statuses: dict[str, Status] = {}
    folder = paths.reference(dataset.key, extractor)
    reference = _stored(f"{dataset.key}/{folder.name}", folder, inputs)
    if extractor == "classifier" or reference.artefact is not None:
        status = assess(
            reference, lambda artefact: _reference_changes(artefact, extractor, dataset, paths), verify=verify
        )
        statuses[folder.name] = status
        inputs = (*inputs, status)
    folder = paths.ladder(dataset.key, extractor)
    ladder = _stored(f"{dataset.key}/{folder.name}", folder, inputs)
    if ladder.artefact is not None:
        statuses[folder.name] = assess(
            ladder, lambda artefact: _ladder_changes(artefact, extractor, dataset, paths), verify=verify
        )
    return statuses


def _reference_changes(artefact: Artefact, extractor: str, dataset: Dataset, paths: Paths) -> list[str]:
    """Compare a reference with today's images and weights; its numbers of images are constants of the code."""
    details = artefact.details_as(ReferenceDetails)
    images, sha256 = _images_and_weights(details.extractor_sha256, extractor, dataset, paths)
    if images is None or sha256 is None:
        return []
    if artefact.identity is None and extractor != "classifier":
        return [NO_RECORD]
    decided_by = _decided_by(artefact, train_images=None)
    identity_now = reference_identity(
        images,
        sha256,
        details.resize,
        anchor_images=details.anchor_images,
        train_images=decided_by["train_images"],
    )
    return identity_changes(artefact, identity_now, WORDS)


def _ladder_changes(artefact: Artefact, extractor: str, dataset: Dataset, paths: Paths) -> list[str]:
    """Compare a ladder with today's images and weights; its numbers of images were chosen when it was made."""
    details = artefact.details_as(LadderDetails)
    images, sha256 = _images_and_weights(details.extractor_sha256, extractor, dataset, paths)
    if images is None or sha256 is None:
        return []
    decided_by = _decided_by(artefact, **{name: getattr(details, name) for name in FACTS_OF_LADDER})
    facts = {name: decided_by[name] for name in FACTS_OF_LADDER}
    return identity_changes(artefact, ladder_identity(images, sha256, details.resize, facts), WORDS)


def _images_and_weights(
    recorded_sha256: str, extractor: str, dataset: Dataset, paths: Paths
) -> tuple[Artefact | None, str | None]:
    """Return today's tensors and sha256 of the extractor's weights; for Inception the recorded sha256."""
    images = read_artefact(paths.tensors(dataset.key))
    if extractor != "classifier":
        return images, recorded_sha256
    classifier = read_artefact(paths.classifier(dataset.key))
    return images, None if classifier is None else classifier.details_as(ClassifierDetails).weights_sha256


def _decided_by(artefact: Artefact, **otherwise: Any) -> dict[str, Any]:
    """Return the recorded facts that decided an artefact, and `otherwise` for facts that are not recorded."""
    return otherwise if artefact.identity is None else {**otherwise, **artefact.identity.decided_by}


def _stored(asset: str, folder: Path, inputs: Sequence[Status]) -> AssetFolder:
    return AssetFolder(asset, None, folder, read_artefact(folder), tuple(inputs))
