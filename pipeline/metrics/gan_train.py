"""GAN-train and GAN-test: accuracies of classifiers trained on generated and on real images. Higher is better.

Source: Shmelkov et al. 2018, arXiv 1807.09499. GAN-train is the accuracy on real test images of a network trained on
generated ones: low if images are wrong or kinds of them are missing. GAN-test is the accuracy on generated images of a
network trained on real ones: low if images are wrong. Generators here are unconditional, so the labels of generated
images come from the data set's classifier. GAN-test therefore uses a second classifier, trained from another seed, and
gives the share of images on which both agree. Both networks see few images, so that a report takes seconds: compare
with the floor, the same scores of real images, and not with published accuracies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.metrics.features import CLASSES, Matrix
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.metric import Metric, Need, ScoreDefinition
from pipeline.metrics.score import Score
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths

if TYPE_CHECKING:
    from pipeline.metrics.extractors.classifier import Classifier

SETTINGS = ClassifierSettings(images_seen=30_000, seed=1)


def second_classifier(dataset: str, paths: Paths) -> Classifier:
    """Return a classifier of the real images that is independent of the extractor; train it unless it exists."""
    from pipeline.metrics.extractors.classifier import load_classifier, train_classifier

    folder = paths.classifier(dataset).with_name("second_classifier")
    return load_classifier(train_classifier(dataset, paths, settings=SETTINGS, folder=folder))


def gan_train(pixels: Pixels, logits: Matrix, test: ImageFile) -> Score:
    """Train on images (N, C, H, W) uint8, labelled by the extractor's logits; score the accuracy on real images."""
    import torch

    from pipeline.metrics.extractors.classifier import fit, measure_accuracy

    labels = torch.from_numpy(logits.argmax(axis=1))
    network = fit("GAN-train", torch.tensor(pixels), labels, logits.shape[1], SETTINGS)
    return Score(measure_accuracy(network, test))


def gan_test(pixels: Pixels, logits: Matrix, second: Classifier) -> Score:
    """Score the share of images (N, C, H, W) uint8 to which both classifiers give the same class."""
    from pipeline.metrics.extractors.classifier import extract

    second_logits = extract(second, pixels).logits
    assert second_logits is not None
    share = float((second_logits.argmax(axis=1) == logits.argmax(axis=1)).mean())
    return Score(share, float(np.sqrt(share * (1 - share) / len(pixels))))


METRIC = Metric(
    scores=(
        ScoreDefinition(
            "gan_train",
            "GAN-train",
            "Accuracy on real images of a classifier trained on generated ones (Shmelkov et al. 2018).",
            "higher",
        ),
        ScoreDefinition(
            "gan_test",
            "GAN-test",
            "Accuracy on generated images of a classifier trained on real ones (Shmelkov et al. 2018).",
            "higher",
            has_error=True,
        ),
    ),
    needs=(Need.PIXELS, Need.PROBABILITIES),
    labels=(CLASSES,),
)
