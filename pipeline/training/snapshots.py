"""Snapshots: the same few latents drawn by the generator again and again, from step 0 on.

Out: one PNG a snapshot, a row a member. A diverged member's tiles are black: the picture goes on for the others.
"""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.networks.latents import draw_latents
from pipeline.pixels import to_pixels
from pipeline.storage.pictures import write_grid
from pipeline.training.engine import Ensemble
from pipeline.training.streams import Purpose

IMAGES_A_MEMBER = 16
SCALE = 2


class Snapshots:
    """Draws the fixed latents of every member."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        streams = [member.address.stream(Purpose.SNAPSHOT) for member in ensemble.members]
        shape = (IMAGES_A_MEMBER, ensemble.network.LATENT_SIZE)
        latents = [draw_latents(ensemble.network.LATENT_DISTRIBUTION, shape, stream) for stream in streams]
        self.latents = torch.stack(latents).to(ensemble.device)

    @torch.no_grad()
    def take(self, step: int, folders: list[tuple[Path, slice]]) -> None:
        """Write `step_NNNNNN.png` into each folder, with the members of its slice."""
        images = torch.nan_to_num(self.ensemble.generator(self.latents), nan=-1.0, posinf=-1.0, neginf=-1.0)
        pixels = to_pixels(images).cpu().numpy()  # (M, 16, C, H, W)
        for folder, members in folders:
            folder.mkdir(exist_ok=True)
            rows = pixels[members].reshape(-1, *pixels.shape[2:])
            write_grid(folder / f"step_{step:06d}.png", rows, IMAGES_A_MEMBER, SCALE)
