"""Evidence of raw files: a preview, counts per split and class, and the source."""

from __future__ import annotations

from pipeline.evidence import Evidence, Json, Markdown, Row, Table
from pipeline.raw.details import RawDetails
from pipeline.raw.read import open_raw
from pipeline.storage.artefact import Artefact
from pipeline.storage.pictures import inline_strip

MOST_ROWS = 100  # of the table of classes
MOST_NAMES = 20  # of images that were left out


def raw_evidence(artefact: Artefact) -> Evidence:
    """Return preview, counts, source and checksums of the raw files."""
    details = artefact.details_as(RawDetails)
    return {
        **_preview(artefact),
        "images": sum(details.images.values()),
        "train_images": details.images["train"],
        "test_images": details.images["test"],
        "test_split": details.test_split,
        "unused_images": Json(details.unused),
        "labels": details.labels,
        **_left_out(details),
        "source": details.source,
        "origin": details.origin,
        "official": details.official,
        "note": details.note or "the whole published data set",
        "licence": details.licence,
        "size_bytes": artefact.size_bytes,
        "content_sha256": Json(details.content_sha256),
        **_histogram(details),
        "path": artefact.folder,
    }


def _preview(artefact: Artefact) -> Evidence:
    preview = open_raw(artefact)["test"].preview()
    return {"preview": Markdown(inline_strip(preview))} if preview else {}


def _left_out(details: RawDetails) -> Evidence:
    """Return count and first names of the images that were left out, per reason that occurs."""
    names_by_reason = {"unreadable": details.unreadable, "unlisted": details.unlisted}
    occurring = {reason: names for reason, names in names_by_reason.items() if names}
    return {
        **{reason: len(names) for reason, names in occurring.items()},
        **{f"{reason}_names": ", ".join(names[:MOST_NAMES]) for reason, names in occurring.items()},
    }


def _histogram(details: RawDetails) -> Evidence:
    """Return how many images each class or attribute has; empty for images without labels."""
    names, counts = details.class_names, details.class_histogram
    rows: list[Row] = [
        {"class": name, "train": train, "test": test}
        for name, train, test in zip(names[:MOST_ROWS], counts["train"], counts["test"], strict=False)
    ]
    return {"classes": len(names), "class_histogram": Table(rows)} if rows else {}
