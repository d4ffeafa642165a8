"""GAN-train and GAN-test: what a classifier learns from generated images, and what it makes of them. Higher is better.

Source: Shmelkov et al. 2018, arXiv 1807.09499. GAN-train is the accuracy on real test images of a network trained on
generated ones: low where images are wrong or kinds of them missing. GAN-test is the accuracy on generated images of a
network trained on real ones: low where images are wrong. Generators here are unconditional, so the labels of generated
images are those that the data set's classifier gives them; GAN-test therefore asks a second classifier, trained from
another seed, and says how often both agree. Both networks see few images, so that a report takes seconds: compare with
the floor, the same of real images, and not with published accuracies.
"""

from __future__ import annotations

import numpy as np
import torch

from pipeline.metrics.extractors.classifier import (
    Classifier,
    extract,
    fit,
    load_classifier,
    measure_accuracy,
    train_classifier,
)
from pipeline.metrics.features import Matrix, Score
from pipeline.metrics.identity import ClassifierSettings
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths

SETTINGS = ClassifierSettings(images_seen=30_000, seed=1)
BETTER = {"gan_train": "higher", "gan_test": "higher"}


def second_classifier(dataset: str, paths: Paths) -> Classifier:
    """A classifier of the real images that knows nothing of the extractor's; trained unless it is there already."""
    folder = paths.classifier(dataset).with_name("second_classifier")
    return load_classifier(train_classifier(dataset, paths, settings=SETTINGS, folder=folder))


def gan_train(pixels: Pixels, logits: Matrix, test: ImageFile) -> Score:
    """Images (N, C, H, W) uint8 and the extractor's logits (N, classes) of them → accuracy on real test images."""
    labels = torch.from_numpy(logits.argmax(axis=1))
    network = fit("GAN-train", torch.tensor(pixels), labels, logits.shape[1], SETTINGS)
    return Score(measure_accuracy(network, test))


def gan_test(pixels: Pixels, logits: Matrix, second: Classifier) -> Score:
    """The share of images (N, C, H, W) uint8 that a second classifier puts where the extractor's logits do."""
    seen = extract(second, pixels).logits
    assert seen is not None
    share = float((seen.argmax(axis=1) == logits.argmax(axis=1)).mean())
    return Score(share, float(np.sqrt(share * (1 - share) / len(pixels))))
