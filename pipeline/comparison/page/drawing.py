"""Drawing: one member's images of a few latents, as floating-point values, and the latents they start from.

In: a training artefact. Out: values (N, C, H, W) in the network's range. `generate_images` (samples) computes
whole blocks of 250 images of every member; the page needs two dozen.
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
    """Which of the generator's weights were scored: "raw" or "average"."""
    return entry.configuration.report.weights


def first_two_latents(entry: PageEntry) -> Latents:
    """The latents (2, Z) of the first two of the samples that were scored."""
    from pipeline.samples.generate import first_latents

    return first_latents(entry.training(), int(entry.protocol.get("samples_seed", 0)), 2)


def draw_values(generator: Stacked, latents: Latents) -> Values:
    """What a generator that stands alone (a stack of one) draws."""
    import torch

    with torch.no_grad():
        images = generator(torch.from_numpy(latents)[None])[0]
    return images.numpy()  # type: ignore[no-any-return]


def draw_pixels(training: Artefact, generator: Stacked, latents: Latents) -> Pixels:
    """The same as pixels (N, C, H, W) uint8."""
    import torch

    from pipeline.pixels import to_pixels
    from pipeline.training.trained import trained_network

    values = torch.from_numpy(draw_values(generator, latents))
    pixels: Pixels = to_pixels(values, trained_network(training).value_range).numpy()
    return pixels
