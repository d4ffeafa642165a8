"""Grids: the first samples of each configuration, with equal latents at equal positions, and real images.

In: the samples artefacts and the data set's held-out images. Out: PNG data URIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each, reason
from pipeline.comparison.page.pictures import largest_within, png_uri
from pipeline.metrics.reference import seeded_order
from pipeline.samples.details import SamplesDetails
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import tile
from pipeline.tensors.load import load_split, require_tensors
from pipeline.training.details import TrainingDetails

COLUMNS = 6
SIZES = ((None, 24), (1, 24), (1, 12), (1, 6))  # (members, None for all; images per member), largest first

GridSize = tuple[int | None, int]
Grids = dict[str, list[dict[str, Any]]]


def gather_grids(entries: Sequence[PageEntry], dataset: str, paths: Paths, budget_bytes: int) -> dict[str, Any]:
    """Return `by_configuration`: key → [{"member", "uri"}], `real`: a data URI or None, and `missing`."""
    opened, missing = gather_each(entries, _first_images)
    (members, count), grids = largest_within(SIZES, lambda size: _grids(opened, size), _size_bytes, budget_bytes)
    real, real_count, why_no_real = _real(entries, dataset, paths, count)
    return {
        "by_configuration": grids,
        "count": count,
        "columns": COLUMNS,
        "members": sorted({picture["member"] for grid in grids.values() for picture in grid}),
        "only_one_member": members is not None and any(len(by_member) > 1 for by_member in opened.values()),
        "real": real,
        "real_count": real_count,
        "missing": missing | ({"real images": why_no_real} if why_no_real else {}),
    }


def _first_images(entry: PageEntry) -> dict[int, Pixels]:
    """Return the first images (24, C, H, W) of each member."""
    samples = entry.samples()
    images = read_images(samples.verified_path("samples.arrow"))
    most = max(count for _, count in SIZES)
    members = samples.details_as(SamplesDetails).members
    return {member: images.pixels[images.columns["member"] == member][:most] for member in members}


def _grids(opened: dict[str, dict[int, Pixels]], size: GridSize) -> Grids:
    members, count = size
    return {
        key: [
            {"member": member, "uri": png_uri(tile(pixels[:count], COLUMNS))}
            for member, pixels in list(by_member.items())[:members]
        ]
        for key, by_member in opened.items()
    }


def _size_bytes(grids: Grids) -> int:
    return sum(len(picture["uri"]) for grid in grids.values() for picture in grid)


def _real(entries: Sequence[PageEntry], dataset: str, paths: Paths, count: int) -> tuple[str | None, int, str]:
    """Return held-out images in a seeded order as a data URI with their number, or None, 0 and the reason."""
    try:
        tensors = require_tensors(paths, dataset)
        trainings = (entry.stored_training for entry in entries if entry.stored_training is not None)
        trained_on = {training.details_as(TrainingDetails).tensors for training in trainings}
        if trained_on - {tensors.fingerprint}:
            raise PartMissingError("the networks were trained on other images than those in the data folder")
        held_out = load_split(tensors, "test").pixels
        pixels = held_out[seeded_order(len(held_out), count)]
        return png_uri(tile(pixels, COLUMNS)), len(pixels), ""
    except (OSError, ValueError) as error:
        return None, 0, reason(error)
