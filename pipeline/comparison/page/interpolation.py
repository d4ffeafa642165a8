"""Interpolation: what lies between the first two samples, on the sphere (slerp) and on the straight line (lerp).

In: each training's generator. Out: two strips a configuration as data URIs. The straight line passes nearer to the
origin than normal latents ever lie; on the sphere the length stays (White 2016, arXiv 1609.04468).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.comparison.page.drawing import draw_pixels, first_latents, weights_of
from pipeline.comparison.page.entrants import Entrant, gather_each, sound_members
from pipeline.comparison.page.pictures import film_uri
from pipeline.networks.latents import on_line, on_sphere
from pipeline.storage.pictures import tile

IMAGES = 12


def gather_interpolation(entrants: Sequence[Entrant]) -> dict[str, Any]:
    """`by_configuration`: key → {"slerp": data URI, "lerp": data URI}, and `missing`."""
    found, missing = gather_each(entrants, _strips)
    return {"by_configuration": found, "missing": missing, "images": IMAGES}


def _strips(entrant: Entrant) -> dict[str, str]:
    from pipeline.samples.members import one_generator

    training = entrant.training()
    generator = one_generator(training, sound_members(training)[0], weights_of(entrant))
    ends = first_latents(training, 2, int(entrant.protocol.get("samples_seed", 0)))
    first, second = (np.repeat(end[np.newaxis], IMAGES, axis=0) for end in ends)
    places = np.linspace(0, 1, IMAGES, dtype=np.float32)
    latents = np.concatenate([on_sphere(first, second, places), on_line(first, second, places)])
    pixels = draw_pixels(training, generator, latents)
    return {
        "slerp": film_uri(tile(pixels[:IMAGES], IMAGES)),
        "lerp": film_uri(tile(pixels[IMAGES:], IMAGES)),
    }
