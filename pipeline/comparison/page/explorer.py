"""Explorer: generators that run in the browser, with directions in latent space and a check against PyTorch.

In: each training's generator. Out: weights for `generator.js`, the best configurations first, as far as a budget of
bytes allows. A unit step in one of the directions changes the output of the first layer most: they are the left
singular vectors of its weights (Shen and Zhou 2021, arXiv 2007.06600).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.comparison.page.drawing import draw_values, first_two_latents, weights_of
from pipeline.comparison.page.entries import PageEntry, PartMissingError, gather_each
from pipeline.networks.latents import Latents

if TYPE_CHECKING:
    from pipeline.samples.browser import BrowserGenerator
    from pipeline.samples.program import Program

DIRECTIONS = 5
FOUR_BYTES_LIMIT = 3_000_000  # bytes of all generators; above it, weights take three bytes each


def gather_explorer(entries: Sequence[PageEntry], budget_bytes: int) -> dict[str, Any]:
    """Return `generators`: key → the data of the page's explorer; `missing`, and of those the `too_large` ones.

    `entries` are sorted, the best first.
    """
    exported, missing = gather_each(entries, _exported)
    is_large = sum(generator.size_bytes for generator in exported.values()) > FOUR_BYTES_LIMIT
    remaining = budget_bytes

    def embedded(entry: PageEntry) -> dict[str, Any]:
        nonlocal remaining
        generator = exported[entry.key]
        if is_large:
            generator = replace(generator, bytes_per_weight=3)
        if generator.size_bytes > remaining:
            sizes = (
                f"its weights take {generator.size_bytes / 1e6:.1f} MB, and the page has {remaining / 1e6:.1f} MB left"
            )
            raise PartMissingError(sizes)
        data = _embedded(entry, generator)
        remaining -= len(json.dumps(data))
        return data

    generators, too_large = gather_each([entry for entry in entries if entry.key in exported], embedded)
    return {"generators": generators, "missing": missing | too_large, "too_large": list(too_large)}


def _exported(entry: PageEntry) -> BrowserGenerator:
    from pipeline.samples.browser import browser_generator

    return browser_generator(entry.training(), entry.first_sound_member(), weights_of(entry))


def _embedded(entry: PageEntry, exported: BrowserGenerator) -> dict[str, Any]:
    from pipeline.samples.members import one_generator

    training = entry.training()
    member = entry.first_sound_member()
    latents = first_two_latents(entry)
    first_image = draw_values(one_generator(training, member, weights_of(entry)), latents[:1])
    return {
        "member": member,
        "generator": exported.to_json(),
        "start": [_encoded(latent) for latent in latents],
        "directions": [_encoded(direction) for direction in _directions(exported.program)],
        "check": _encoded(first_image),
    }


def _directions(program: Program) -> Latents:
    """Return unit vectors (5, Z) that change the first layer's output most; none if that layer is not dense."""
    first = program.operations[0]
    if first.kind != "dense":
        return np.zeros((0, program.latent_size), np.float32)
    vectors, _, _ = np.linalg.svd(first.weights["weight"].astype(np.float64), full_matrices=False)  # of (Z, O)
    directions: Latents = vectors.T[:DIRECTIONS].astype(np.float32)
    return directions


def _encoded(values: npt.NDArray[np.float32]) -> str:
    """Return the values as base64 of little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
