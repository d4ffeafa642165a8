import numpy as np
import pytest

from pipeline.networks.latents import latents_by_seed
from pipeline.samples.fresh import KEYS, STEPS, generate_first, generate_strips, generate_walk
from pipeline.samples.generate import generate, latent_seeds
from pipeline.samples.stored import stored_images
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from pipeline.training.trained import read_settings
from tests.pipeline.samples.example_training import WIDTHS, untrained_training


@pytest.mark.parametrize("recipe", WIDTHS)
def test_fresh_images_are_those_of_the_samples_artefact_to_the_bit(recipe: str, paths: Paths) -> None:
    training = untrained_training(paths, recipe)
    artefact = generate(training, 20, paths, seed=3)
    stored = read_images(artefact.path("samples.arrow"))
    drawn = generate_first(training, "raw", [0, 1], 20, 3)
    assert np.array_equal(drawn.pixels, stored.pixels)
    assert np.array_equal(drawn.latent_seeds, stored.columns["latent_seed"])
    assert np.array_equal(drawn.members, stored.columns["member"])
    taken = stored_images(artefact, read_settings(training).network, [1], 7)
    again = generate_first(training, "raw", [1], 7, 3)
    for name in ("pixels", "latents", "latent_seeds", "members"):
        assert np.array_equal(getattr(taken, name), getattr(again, name))


def test_latents_are_those_that_the_images_were_drawn_from(paths: Paths) -> None:
    drawn = generate_first(untrained_training(paths, "mnist_conv"), "raw", [0, 1], 5, 2)
    assert np.array_equal(drawn.latents, np.tile(latents_by_seed("uniform", 100, latent_seeds(2, 5)), (2, 1)))


@pytest.mark.parametrize("recipe", ["mnist_mlp", "mnist_conv"])
def test_a_walk_starts_with_the_images_of_its_seed_and_moves_little_between_frames(recipe: str, paths: Paths) -> None:
    training = untrained_training(paths, recipe)
    frames = generate_walk(training, "raw", [0, 1], 3, 5)
    assert len(frames) == KEYS * STEPS
    assert np.array_equal(frames[0], generate_first(training, "raw", [0, 1], 3, 5).pixels)
    keys = generate_first(training, "raw", [1], 6, 5).pixels
    assert np.abs(frames[STEPS][3:].astype(int) - keys[3:]).max() <= 1
    levels = np.stack(frames).astype(float)
    steps = np.abs(np.roll(levels, -1, axis=0) - levels).mean(axis=(1, 2, 3, 4))  # the last one back to the first frame
    assert steps.max() < 0.5 * np.abs(levels[0] - levels[STEPS]).mean()
    assert steps.min() > 0


def test_strips_lead_from_one_image_of_the_seed_to_the_next(paths: Paths) -> None:
    training = untrained_training(paths, "celeba_dense")
    strips = generate_strips(training, "raw", [0, 1], 2, 6, 7)
    assert strips.shape == (2 * 2 * 6, 3, 28, 28)
    ends = generate_first(training, "raw", [0, 1], 4, 7).pixels
    halves = strips.reshape(8, 3, 3, 28, 28)  # halves of a strip: its first image starts one, its last ends the other
    assert np.abs(halves[::2, 0].astype(int) - ends[::2]).max() <= 1  # a path's last place is one within rounding
    assert np.abs(halves[1::2, 2].astype(int) - ends[1::2]).max() <= 1


def test_no_images_are_one_sentence(paths: Paths) -> None:
    with pytest.raises(ValueError, match="found 0 images to generate, expected at least 1"):
        generate_first(untrained_training(paths, "mnist_mlp"), "raw", [0], 0, 0)
