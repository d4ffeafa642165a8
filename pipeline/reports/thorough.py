"""Thorough: the scores that take minutes because they train networks or draw more images, asked for by name.

In: a judged set of images with its features, and the generator that drew it. Out: GAN-train, GAN-test and perceptual
path length, beside what real images and noise score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.metrics import gan_train, path_length
from pipeline.metrics.extractors.classifier import Classifier
from pipeline.metrics.extractors.extractor import Extractor
from pipeline.metrics.features import CLASSES, Features
from pipeline.metrics.score import Score
from pipeline.networks.latents import Latents, latents_by_seed
from pipeline.samples.generate import SEEDS_PER_SAMPLING_SEED, generate_images, latent_seeds
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths
from pipeline.tensors.load import load_split
from pipeline.training.trained import trained_network

PATHS = 2000  # pairs of latents
PLACE_SEED = 0


@dataclass(frozen=True)
class Thorough:
    """What the thorough scores of a data set are taken with."""

    dataset: str
    tensors: Artefact
    extractor: Extractor
    paths: Paths

    def of_images(self, pixels: Pixels, seen: Features) -> dict[str, Score]:
        """GAN-train and GAN-test of a set of images, where the extractor tells the data set's classes apart."""
        if self.extractor.labels != CLASSES or seen.logits is None:
            return {}
        return {
            "gan_train": gan_train.gan_train(pixels, seen.logits, self._test),
            "gan_test": gan_train.gan_test(pixels, seen.logits, self._second),
        }

    def of_generator(self, training: Artefact, weights: str, member: int, seed: int) -> dict[str, Score]:
        """Perceptual path length of one member's generator."""
        here, further = _path_latents(training, seed)
        members = np.array([member])
        ends = [
            self.extractor.extract(generate_images(training, weights, members, latents)[0])
            for latents in (here, further)
        ]
        return {path_length.SCORE: path_length.path_length(ends[0].features, ends[1].features)}

    @cached_property
    def _test(self) -> ImageFile:
        return load_split(self.tensors, "test")

    @cached_property
    def _second(self) -> Classifier:
        return gan_train.second_classifier(self.dataset, self.paths)


def _path_latents(training: Artefact, seed: int) -> tuple[Latents, Latents]:
    """Both ends of each small step, of latents that no image of the samples has."""
    network = trained_network(training)
    seeds = latent_seeds(seed, 2 * PATHS) + SEEDS_PER_SAMPLING_SEED // 2
    latents = latents_by_seed(network.latent_distribution, network.latent_size, seeds)
    places = np.random.default_rng(PLACE_SEED).random(PATHS, np.float32)
    on_sphere = network.latent_distribution == "normal"
    return path_length.path_ends(latents[:PATHS], latents[PATHS:], places, on_sphere=on_sphere)
