"""Grids: the first samples of each configuration, the same latents in the same places, and real images beside them.

In: the samples artefacts and the data set's held-out images. Out: PNG data URIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each, reason
from pipeline.comparison.page.pictures import fullest, png_uri
from pipeline.metrics.reference import seeded_order
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import tile
from pipeline.tensors.load import load_split, require_tensors

COLUMNS = 6
PLANS = ((None, 24), (1, 24), (1, 12), (1, 6))  # (members, None for all; images a member), fullest first

Plan = tuple[int | None, int]
Grids = dict[str, list[dict[str, Any]]]


def gather_grids(entries: Sequence[PageEntry], dataset: str, paths: Paths, budget_bytes: int) -> dict[str, Any]:
    """`by_configuration`: key → [{"member", "uri"}], `real`: a data URI or None, and what is `missing`."""
    opened, missing = gather_each(entries, _first_images)
    (members, count), grids = fullest(PLANS, lambda plan: _grids(opened, plan), _size_bytes, budget_bytes)
    real, real_count, why_no_real = _real(entries, dataset, paths, count)
    return {
        "by_configuration": grids,
        "count": count,
        "columns": COLUMNS,
        "members": sorted({each["member"] for grid in grids.values() for each in grid}),
        "only_one_member": members is not None and any(len(of_members) > 1 for of_members in opened.values()),
        "real": real,
        "real_count": real_count,
        "missing": missing | ({"real images": why_no_real} if why_no_real else {}),
    }


def _first_images(entry: PageEntry) -> dict[int, Pixels]:
    """The images (24, C, H, W) of each member."""
    samples = entry.samples()
    images = read_images(samples.verified_path("samples.arrow"))
    most = max(count for _, count in PLANS)
    return {m: images.pixels[images.columns["member"] == m][:most] for m in samples.details["members"]}


def _grids(opened: dict[str, dict[int, Pixels]], plan: Plan) -> Grids:
    members, count = plan
    return {
        key: [
            {"member": member, "uri": png_uri(tile(pixels[:count], COLUMNS))}
            for member, pixels in list(of_members.items())[:members]
        ]
        for key, of_members in opened.items()
    }


def _size_bytes(grids: Grids) -> int:
    return sum(len(each["uri"]) for grid in grids.values() for each in grid)


def _real(entries: Sequence[PageEntry], dataset: str, paths: Paths, count: int) -> tuple[str | None, int, str]:
    """Held-out images in a seeded order as a data URI, how many, and, where there is none, why."""
    try:
        tensors = require_tensors(paths, dataset)
        trained_on = {e.stored_training.details["tensors"] for e in entries if e.stored_training is not None}
        if trained_on - {tensors.fingerprint}:
            raise PartMissingError("the images in the data folder are others than those that were trained on")
        held_out = load_split(tensors, "test").pixels
        shown = held_out[seeded_order(len(held_out), count)]
        return png_uri(tile(shown, COLUMNS)), len(shown), ""
    except (OSError, ValueError) as error:
        return None, 0, reason(error)
