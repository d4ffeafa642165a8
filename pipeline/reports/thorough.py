"""Thorough: the scores that take minutes, because they train networks or generate more images. They are optional.

In: a set of images with its features, and the generator that made it. Out: GAN-train, GAN-test and perceptual path
length.
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
POSITION_SEED = 0  # of the position of each step on its path


@dataclass(frozen=True)
class Thorough:
    """The inputs of the thorough scores of a data set."""

    dataset: str
    tensors: Artefact
    extractor: Extractor
    paths: Paths

    def score_images(self, pixels: Pixels, features: Features) -> dict[str, Score]:
        """Return GAN-train and GAN-test of a set of images; empty if the extractor's labels are not classes."""
        if self.extractor.labels != CLASSES or features.logits is None:
            return {}
        return {
            "gan_train": gan_train.gan_train(pixels, features.logits, self._test),
            "gan_test": gan_train.gan_test(pixels, features.logits, self._second),
        }

    def score_generator(self, training: Artefact, weights: str, member: int, seed: int) -> dict[str, Score]:
        """Return the perceptual path length of one member's generator."""
        starts, stops = _path_latents(training, seed)
        members = np.array([member])
        ends = [
            self.extractor.extract(generate_images(training, weights, members, latents)[0])
            for latents in (starts, stops)
        ]
        return {path_length.SCORE: path_length.path_length(ends[0].features, ends[1].features)}

    @cached_property
    def _test(self) -> ImageFile:
        return load_split(self.tensors, "test")

    @cached_property
    def _second(self) -> Classifier:
        return gan_train.second_classifier(self.dataset, self.paths)


def _path_latents(training: Artefact, seed: int) -> tuple[Latents, Latents]:
    """Return the two latents at the ends of each small step; none of them is a latent of the samples."""
    network = trained_network(training)
    seeds = latent_seeds(seed, 2 * PATHS) + SEEDS_PER_SAMPLING_SEED // 2
    latents = latents_by_seed(network.latent_distribution, network.latent_size, seeds)
    positions = np.random.default_rng(POSITION_SEED).random(PATHS, np.float32)
    on_sphere = network.latent_distribution == "normal"
    return path_length.path_ends(latents[:PATHS], latents[PATHS:], positions, on_sphere=on_sphere)
