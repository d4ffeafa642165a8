"""Contents: the files of a promotion: weights, settings, one member as ONNX, samples to look at, and the card.

In: a `Promotion`. Out: files in a folder, and the details that make it work as a training artefact does.
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
from pipeline.training.kinds_of_weights import FILE_OF_WEIGHTS

log = logging.getLogger(__name__)

SETTINGS = "settings.json"


def write_contents(folder: Path, promotion: Promotion) -> dict[str, Any]:
    """Write a promotion's files; returns the details of its manifest.

    Raises `SourceGoneError` where weights or samples are damaged or were replaced meanwhile.
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
    """A network that cannot be written as ONNX is champion all the same: the card says why there is no file."""
    from pipeline.samples.onnx_file import export_onnx

    try:
        found = export_onnx(copied, promotion.member, path, weights=promotion.sources.weights)
    except ValueError as error:
        refusal = str(error).replace(str(path), ONNX)
        log.warning("no %s: %s", ONNX, refusal)
        return Exported(None, None, refusal)
    return Exported(found.largest_difference, found.latents, "")


def _details(promotion: Promotion) -> dict[str, Any]:
    """A training's details, and what was promoted."""
    from pipeline.comparison.page.entrants import without_folders

    training, source = promotion.sources.training, promotion.sources.training.details["source"]
    return {
        **training.details,
        "source": {**source, "origin": without_folders(str(source["origin"]))},  # the folder is sent to others
        "champion": {
            "version": promotion.version,
            "previous": promotion.replaced_version,
            "training": training.fingerprint,
            "report_id": promotion.sources.report.report_id,
            "member": promotion.member,
            "weights": promotion.sources.weights,
        },
    }
