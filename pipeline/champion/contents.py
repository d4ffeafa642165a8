"""Contents: write the files of a promotion: weights, settings, one member as ONNX, a picture of samples and the card.

In: a `Promotion`. Out: files in a folder, and the details of its manifest. They contain a training's details, so that a
promotion can be read as a training artefact.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.champion.promotion import Exported, Promotion
from pipeline.champion.sources import copy_files
from pipeline.champion.versions import GRID, ONNX
from pipeline.storage.artefact import Artefact
from pipeline.storage.details import to_json
from pipeline.training.details import PromotionDetails, TrainingDetails
from pipeline.training.kinds_of_weights import FILE_OF_WEIGHTS

log = logging.getLogger(__name__)

SETTINGS = "settings.json"


def write_contents(folder: Path, promotion: Promotion) -> dict[str, Any]:
    """Write a promotion's files and return the details of its manifest.

    Raises `SourceGoneError` if weights or samples are damaged or are replaced while they are copied.
    """
    from pipeline.champion.card import write_card  # PyTorch takes seconds to import

    training = promotion.sources.training
    weights = [name for name in FILE_OF_WEIGHTS.values() if name in training.files]
    copy_files(training, [*weights, SETTINGS], folder)
    copy_files(promotion.sources.samples, [GRID], folder)
    exported = _export(replace(training, folder=folder), promotion, folder / ONNX)
    write_card(folder, promotion, exported)
    return _details(promotion)


def _export(copied: Artefact, promotion: Promotion, path: Path) -> Exported:
    """Write the best member as ONNX. A network that cannot be exported is promoted anyway; the card has the reason."""
    from pipeline.samples.onnx_file import export_onnx

    try:
        file = export_onnx(copied, promotion.member, path, weights=promotion.sources.weights)
    except ValueError as error:
        refusal = str(error).replace(str(path), ONNX)
        log.warning("no %s: %s", ONNX, refusal)
        return Exported(None, None, refusal)
    return Exported(file.largest_difference, file.latents, "")


def _details(promotion: Promotion) -> dict[str, Any]:
    """Return the details of the training, and those of the promotion under `champion`."""
    from pipeline.comparison.page.entries import without_folders

    training = promotion.sources.training
    details = training.details_as(TrainingDetails)
    promoted = PromotionDetails(
        version=promotion.version,
        previous=promotion.replaced_version,
        training=training.fingerprint,
        report_id=promotion.sources.report.report_id,
        member=promotion.member,
        weights=promotion.sources.weights,
    )
    # People pass this folder on to others, so the path of the data on this machine is removed.
    source = replace(details.source, origin=without_folders(details.source.origin))
    return to_json(replace(details, source=source, champion=promoted))
