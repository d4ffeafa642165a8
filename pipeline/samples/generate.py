"""Generate: N images per member from seeded latents, as uint8 pixels, with a grid to look at.

In: a training artefact. Out: the samples artefact. Members that diverged generate no images and are named in the
details. If all diverged, the set is empty and has no grid.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.device import choose_device
from pipeline.networks.latents import Latents, latents_by_seed
from pipeline.networks.stacked import Stacked
from pipeline.pixels import to_pixels
from pipeline.samples import replaced_default, samples_identity
from pipeline.samples.details import SamplesDetails
from pipeline.samples.kept_images import find_images, images_by_member, is_sufficient, members_to_cover
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact, make_artefact
from pipeline.storage.details import to_json
from pipeline.storage.images import Pixels, write_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import write_grid
from pipeline.training.details import TrainingDetails
from pipeline.training.kinds_of_weights import AVERAGE, default_weights, file_of_weights
from pipeline.training.trained import load_generator, read_settings, trained_network

log = logging.getLogger(__name__)

BLOCK = 250  # images are computed in whole blocks, so that rounding does not depend on the number of images
GRID_COLUMNS = 16
GRID_IMAGES_PER_MEMBER = 48
GRID_SCALE = 2
UNTRAINED_SHARE = 0.05  # of an average of weights; with a larger share the pictures are visibly worse
SEEDS_PER_SAMPLING_SEED = 2**32  # image i of sampling seed s has the latent seed s * 2^32 + i


def generate(
    training: Artefact,
    count: int,
    paths: Paths,
    *,
    seed: int = 0,
    weights: str | None = None,
    members: int | None = None,
    force: bool = False,
) -> Artefact:
    """Return the samples artefact of a partition: `count` images per member; generate those that do not exist.

    `weights` are "raw" or "average"; None takes the average if the training keeps one, else the raw weights. `members`
    limits the set to the first members; a stored set with more is accepted.
    """
    if count < 1:
        raise ValueError(f"samples: found {count}, expected at least 1 image per member")
    kind = default_weights(training) if weights is None else weights
    file_of_weights(training, kind)  # raises if the training keeps no such weights
    covered = members_to_cover(training, members)
    settings = read_settings(training)
    folder = paths.samples(settings.recipe, settings.optimizer)
    stored = None if force else find_images(folder, training, partial(samples_identity, training, count, seed, kind))
    if stored is not None and is_sufficient(stored, training, covered):
        return stored

    def fill(folder: Path) -> dict[str, Any]:
        _warn_of_young_average(settings, kind)
        sound = _sound_members(training, covered)
        pixels = _pixels(training, kind, sound, first_latents(training, seed, count), stored)  # (M, N, C, H, W)
        columns = {"member": np.repeat(sound, count), "latent_seed": np.tile(latent_seeds(seed, count), len(sound))}
        metadata = {"recipe": settings.recipe, "optimizer": settings.optimizer, "seed": str(seed)}
        write_images(folder / "samples.arrow", pixels.reshape(-1, *pixels.shape[2:]), columns, metadata)
        if len(sound):
            first = pixels[:, :GRID_IMAGES_PER_MEMBER].reshape(-1, *pixels.shape[2:])
            write_grid(folder / "grid.png", first, GRID_COLUMNS, GRID_SCALE)
        diverged = training.details_as(TrainingDetails).diverged_members
        details = SamplesDetails(
            recipe=settings.recipe,
            optimizer=settings.optimizer,
            training=training.fingerprint,
            images_a_member=count,
            members=tuple(int(member) for member in sound),
            diverged_members=tuple(member for member in diverged if member < covered),
            seed=seed,
            weights=kind,
            instead_of=replaced_default(training, kind),
        )
        return to_json(details)

    return make_artefact(folder, samples_identity(training, count, seed, kind, covered), fill, force=True)


def _pixels(
    training: Artefact, weights: str, members: npt.NDArray[np.int64], latents: Latents, stored: Artefact | None
) -> Pixels:
    """Return every member's images (M, N, C, H, W): those that are stored, and new ones of the other members."""
    images = {} if stored is None else images_by_member(stored)
    missing = np.array([member for member in members.tolist() if member not in images], np.int64)
    if images and len(missing):
        partition = training.details_as(TrainingDetails).partition
        log.info("%s: generating images of members %s only", partition, missing.tolist())
    generated = generate_images(training, weights, missing, latents)
    images |= dict(zip(missing.tolist(), generated, strict=True))
    return np.stack([images[member] for member in members.tolist()]) if len(members) else generated


def _warn_of_young_average(settings: TrainingSettings, kind: str) -> None:
    """Log a warning if the untrained network still has a noticeable share in the average of the weights."""
    if kind != AVERAGE or settings.ema_decay is None:
        return
    share = settings.ema_decay**settings.steps
    if share > UNTRAINED_SHARE:
        log.warning(
            "%s %s: %.0f %% of the average of the weights is still the untrained network, after %d steps with "
            "ema_decay=%g; train longer, lower ema_decay, or generate with `--weights raw`",
            *(settings.recipe, settings.optimizer, 100 * share, settings.steps, settings.ema_decay),
        )


def latent_seeds(seed: int, count: int) -> npt.NDArray[np.int64]:
    """Return the latent seeds (N,) of the first `count` images of a sampling seed."""
    return np.arange(count, dtype=np.int64) + seed * SEEDS_PER_SAMPLING_SEED


def first_latents(training: Artefact, seed: int, count: int) -> Latents:
    """Return the latents (N, Z) of the first `count` images of a sampling seed."""
    network = trained_network(training)
    return latents_by_seed(network.latent_distribution, network.latent_size, latent_seeds(seed, count))


def _sound_members(training: Artefact, covered: int) -> npt.NDArray[np.int64]:
    details = training.details_as(TrainingDetails)
    if details.diverged_members:
        diverged = list(details.diverged_members)
        log.warning("%s: members %s diverged and generate no samples", details.partition, diverged)
    return np.array([member for member in details.sound_members if member < covered], dtype=np.int64)


@torch.no_grad()
def generate_images(
    training: Artefact, weights: str, members: npt.NDArray[np.int64], latents: npt.NDArray[np.float32]
) -> Pixels:
    """Return every member's image of every latent (N, Z): (M, N, C, H, W) uint8."""
    if not len(members):
        return np.empty((0, len(latents), *training.details_as(TrainingDetails).image_shape), np.uint8)
    device = choose_device()
    generator: Stacked = load_generator(training, device, weights, members.tolist())
    value_range = trained_network(training).value_range
    padded = torch.from_numpy(_padded(latents)).to(device)
    blocks = []
    for start in range(0, len(latents), BLOCK):
        images = generator(padded[start : start + BLOCK].expand(len(members), -1, -1))
        blocks.append(to_pixels(images, value_range).cpu().numpy())
    pixels: Pixels = np.concatenate(blocks, axis=1)[:, : len(latents)]
    return pixels


def _padded(latents: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    missing = -len(latents) % BLOCK
    return np.concatenate([latents, np.zeros((missing, latents.shape[1]), latents.dtype)])
