"""Interpolation: images between the first two samples, on the sphere (slerp) and on the straight line (lerp).

In: each training's generator. Out: two strips of images per configuration as data URIs. The straight line passes nearer
to the origin than normal latents ever are; on the sphere the length stays (White 2016, arXiv 1609.04468).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pipeline.comparison.page.drawing import draw_pixels, first_two_latents, weights_of
from pipeline.comparison.page.entries import PageEntry, gather_each
from pipeline.comparison.page.pictures import film_uri
from pipeline.networks.latents import Distribution
from pipeline.samples.interpolation import latent_path
from pipeline.storage.pictures import tile

IMAGES = 12
WAYS: Final[dict[str, Distribution]] = {
    "slerp": "normal",
    "lerp": "uniform",
}  # way → the distribution of the latents that move so


def gather_interpolation(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """Return `by_configuration`: key → {"slerp": data URI, "lerp": data URI}, and `missing`."""
    strips, missing = gather_each(entries, _strips)
    return {"by_configuration": strips, "missing": missing, "images": IMAGES}


def _strips(entry: PageEntry) -> dict[str, str]:
    from pipeline.samples.members import one_generator

    training = entry.training()
    generator = one_generator(training, entry.first_sound_member(), weights_of(entry))
    first, second = first_two_latents(entry)
    paths = {way: latent_path(first, second, IMAGES, distribution) for way, distribution in WAYS.items()}
    return {way: film_uri(tile(draw_pixels(training, generator, path), IMAGES)) for way, path in paths.items()}
