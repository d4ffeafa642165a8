"""Evidence of the extractors, references and ladders that scores are taken with."""

from __future__ import annotations

from pipeline.evidence import Evidence, Json, Markdown, Table, number_or_undefined
from pipeline.metrics.details import ClassifierDetails, LadderDetails, ReferenceDetails
from pipeline.storage.artefact import Artefact
from pipeline.storage.pictures import markdown_file


def classifier_evidence(artefact: Artefact) -> Evidence:
    """Return how well the classifier recognises test images, and how it was trained."""
    details = artefact.details_as(ClassifierDetails)
    return {
        "labels": details.labels,
        "test_accuracy": details.test_accuracy,
        "test_images": details.test_images,
        "train_images": details.train_images,
        "weights_sha256": details.weights_sha256,
        "seconds": details.seconds,
        "note": details.source.note or "the whole published data set",
        "path": artefact.folder,
    }


def reference_evidence(artefact: Artefact) -> Evidence:
    """Return each score's floor (real images) and ceiling (noise)."""
    details = artefact.details_as(ReferenceDetails)
    floor, ceiling = details.floor, details.ceiling
    rows = [
        {"score": name, "real images": number_or_undefined(value), "noise": number_or_undefined(ceiling.get(name))}
        for name, value in floor.items()
    ]
    return {
        "anchors": Table(rows),
        "fid_floor": floor["fid"],
        "fid_ceiling": ceiling["fid"],
        "images": Json(dict(details.images)),
        "extractor_sha256": details.extractor_sha256,
        "path": artefact.folder,
    }


def ladder_evidence(artefact: Artefact) -> Evidence:
    """Return which score notices which corruption, and the FID of each level."""
    details = artefact.details_as(LadderDetails)
    verdicts = details.verdicts
    verdict_rows = [
        {"score": score, **{corruption: by_score[score] for corruption, by_score in verdicts.items()}}
        for score in next(iter(verdicts.values()))
    ]
    fid_rows = [
        {"corruption": corruption, **{f"level {level}": number_or_undefined(fid) for level, fid in enumerate(fids)}}
        for corruption, fids in details.fid.items()
    ]
    picture = markdown_file(artefact.verified_path("ladder.png"), "one row per corruption, 4 levels")
    return {
        "verdicts": Table(verdict_rows),
        "fid": Table(fid_rows),
        "corruptions": Markdown(picture),
        "images": details.images,
        "extractor_sha256": details.extractor_sha256,
        "path": artefact.folder,
    }
