"""Images of a few latents: generate two dozen images with one member, and the first latents of the scored samples.

In: a training artefact. Out: values (N, C, H, W) in the network's range. The samples stage always generates blocks of
250 images with every member, which is too many here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.comparison.page.entries import PageEntry
from pipeline.networks.latents import Latents
from pipeline.storage.artefact import Artefact

if TYPE_CHECKING:
    from pipeline.networks.stacked import Stacked
    from pipeline.storage.images import Pixels

Values = npt.NDArray[np.float32]  # (N, C, H, W)


def weights_of(entry: PageEntry) -> str:
    """Return the kind of the generator's weights that was scored: "raw" or "average"."""
    return entry.configuration.report.weights


def first_two_latents(entry: PageEntry) -> Latents:
    """Return the latents (2, Z) of the first two scored samples."""
    from pipeline.samples.generate import first_latents

    return first_latents(entry.training(), int(entry.protocol.get("samples_seed", 0)), 2)


def draw_values(generator: Stacked, latents: Latents) -> Values:
    """Return the images of a stack of one generator, in the network's range."""
    import torch

    with torch.no_grad():
        images = generator(torch.from_numpy(latents)[None])[0]
    return images.numpy()  # type: ignore[no-any-return]


def draw_pixels(training: Artefact, generator: Stacked, latents: Latents) -> Pixels:
    """Return the images of a stack of one generator as pixels (N, C, H, W) uint8."""
    import torch

    from pipeline.pixels import to_pixels
    from pipeline.training.trained import trained_network

    values = torch.from_numpy(draw_values(generator, latents))
    pixels: Pixels = to_pixels(values, trained_network(training).value_range).numpy()
    return pixels
