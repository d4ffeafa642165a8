"""Evidence of tensors: a preview, counts per split, shape and preparation."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evidence import Evidence, Json, Markdown
from pipeline.raw.contents import preview_indices
from pipeline.storage.artefact import Artefact
from pipeline.storage.pictures import inline_strip
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split

MOST_NAMES = 20  # of images that could not be decoded


def tensors_evidence(artefact: Artefact) -> Evidence:
    """Return preview, counts, shape and preparation of the tensors."""
    details, train = artefact.details_as(TensorsDetails), load_split(artefact, "train")
    preview = train.pixels[preview_indices(train.columns.get("label"), len(train))]
    return {
        "preview": Markdown(inline_strip(preview)),
        "train_images": details.images["train"],
        "test_images": details.images["test"],
        "image_shape": Json(details.image_shape),
        "value_range": Json(details.value_range),
        "preparation": Json(details.preparation),
        "labels": details.labels,
        **_unreadable(details.unreadable),
        "size_bytes": artefact.size_bytes,
        "note": details.source.note or "the whole published data set",
        "path": artefact.folder,
    }


def _unreadable(names: Sequence[str]) -> Evidence:
    return {"unreadable": len(names), "unreadable_names": ", ".join(names[:MOST_NAMES])} if names else {}
