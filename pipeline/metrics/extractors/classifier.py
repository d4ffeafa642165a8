"""Classifier: a small convolutional network trained on a data set's own labels, the extractor of its scores.

In: the data set's tensors. Out: `data/metrics/<data set>/classifier/` with `classifier.safetensors` and
`settings.json`. The manifest has the accuracy on held-out test images and the sha256 of the weights, which is part of
every score's protocol. Features are the 128 activations before the last layer. Logits are those of the classes, of
which an image has one, or of the attributes, of which it has any number.

Why not Inception for all: it was trained on photographs and knows little about digits. Scores with a network of the
domain are common practice for MNIST (Lucic et al. 2018 and others).
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.device import choose_device
from pipeline.metrics.details import ClassifierDetails
from pipeline.metrics.features import ATTRIBUTES, CLASSES, Features
from pipeline.metrics.identity import EXTRACTOR_SETTINGS, ClassifierSettings, classifier_identity
from pipeline.pixels import to_network
from pipeline.storage.artefact import Artefact, make_artefact, require_artefact, write_json
from pipeline.storage.details import to_json
from pipeline.storage.images import ImageFile, Pixels
from pipeline.storage.paths import Paths
from pipeline.storage.verification import sha256_of_file
from pipeline.storage.weights import load_weights, save_weights
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.details import TensorsDetails
from pipeline.tensors.load import load_split, require_tensors
from pipeline.training.engine.training_images import pixel_tensor

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0
EXTRACT_BATCH = 1000


class NoLabelsError(ValueError):
    """The data set has no labels on which to train a classifier."""


class Classifier(nn.Module):
    """A network of two convolutions with pooling, a dense layer of 128 features and a dense layer of classes."""

    def __init__(self, image_shape: tuple[int, int, int], classes: int, settings: ClassifierSettings) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.first = nn.Conv2d(channels, 16, 5, padding=2)
        self.second = nn.Conv2d(16, 32, 5, padding=2)
        self.hidden = nn.Linear(32 * (height // 4) * (width // 4), settings.features)
        self.output = nn.Linear(settings.features, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 128) at least 0 and logits (N, classes) of images (N, C, H, W) in [-1, 1]."""
        pooled = F.max_pool2d(F.relu(self.first(images)), 2)
        pooled = F.max_pool2d(F.relu(self.second(pooled)), 2)
        features = F.relu(self.hidden(pooled.flatten(1)))
        return features, self.output(features)


def train_classifier(
    dataset: str,
    paths: Paths,
    *,
    settings: ClassifierSettings = EXTRACTOR_SETTINGS,
    folder: Path | None = None,
    force: bool = False,
) -> Artefact:
    """Return the data set's classifier; train it unless it exists. Another `folder` holds a second classifier."""
    tensors = require_tensors(paths, dataset)
    expect_labels(tensors)
    images = tensors.details_as(TensorsDetails)
    identity = classifier_identity(tensors, settings)

    def fill(staged: Path) -> dict[str, Any]:
        train, test = load_split(tensors, "train"), load_split(tensors, "test")
        started = time.monotonic()
        classes = len(images.class_names)
        network = fit(f"{dataset} classifier", pixel_tensor(train), _targets(train), classes, settings)
        accuracy = measure_accuracy(network, test)
        subject = f"{len(test):,} held-out images" if images.labels == CLASSES else "the held-out images' attributes"
        log.info("%s classifier: %.2f %% of %s right", dataset, 100 * accuracy, subject)
        save_weights(staged / "classifier.safetensors", network.state_dict())
        write_json(staged / "settings.json", asdict(settings))
        details = ClassifierDetails(
            dataset=dataset,
            tensors=tensors.fingerprint,
            test_accuracy=accuracy,
            test_images=len(test),
            train_images=len(train),
            labels=images.labels,
            classes=classes,
            image_shape=images.image_shape,
            weights_sha256=sha256_of_file(staged / "classifier.safetensors"),
            seconds=round(time.monotonic() - started, 1),
            source=images.source,
        )
        return to_json(details)

    return make_artefact(folder or paths.classifier(dataset), identity, fill, force=force)


def expect_labels(tensors: Artefact) -> None:
    """Raise `NoLabelsError`, one sentence, if the data set has no labels."""
    labels = tensors.details_as(TensorsDetails).labels
    if not labels:
        raise ValueError(f"{tensors.folder}: made by an older version; materialize the data set's tensors again")
    if labels not in LABEL_COLUMNS:
        raise NoLabelsError(
            f"{tensors.folder}: found images without labels, expected classes or attributes to train the extractor of "
            "the scores on; add labels to the data set, or score with Inception: --extractor inception, in the UI "
            "`extractor: INCEPTION` in the report's config"
        )


def require_classifier(paths: Paths, dataset: str) -> Artefact:
    """Return the classifier artefact of a data set. Raise one sentence with the remedy if there is none."""
    return require_artefact(paths.classifier(dataset), "classifier", f"{dataset}/classifier")


def load_classifier(artefact: Artefact) -> Classifier:
    """Return the trained network, in evaluation mode, on the GPU if there is one."""
    details = artefact.details_as(ClassifierDetails)
    settings = ClassifierSettings(**json.loads(artefact.verified_path("settings.json").read_text(encoding="utf-8")))
    network = Classifier(details.image_shape, details.classes, settings)
    load_weights(artefact.verified_path("classifier.safetensors"), network)
    return network.to(choose_device()).eval()


@torch.no_grad()
def extract(network: Classifier, pixels: Pixels) -> Features:
    """Return the features and logits, float32, of images (N, C, H, W) uint8."""
    features, logits = [], []
    for start in range(0, len(pixels), EXTRACT_BATCH):
        images = to_network(torch.tensor(pixels[start : start + EXTRACT_BATCH]).to(choose_device()))
        batch_features, batch_logits = network(images)
        features.append(batch_features.cpu().numpy())
        logits.append(batch_logits.cpu().numpy())
    return Features(np.concatenate(features), np.concatenate(logits))


def measure_accuracy(network: Classifier, split: ImageFile) -> float:
    """Return the share of images that the network classifies right, or of attributes that it predicts right."""
    logits = extract(network, split.pixels).logits
    assert logits is not None
    if LABEL_COLUMNS[ATTRIBUTES] in split.columns:
        return float(((logits > 0) == split.columns[LABEL_COLUMNS[ATTRIBUTES]]).mean())
    return float((logits.argmax(axis=1) == split.columns[LABEL_COLUMNS[CLASSES]]).mean())


def fit(name: str, pixels: Tensor, targets: Tensor, classes: int, settings: ClassifierSettings) -> Classifier:
    """Train a classifier on pixels (N, C, H, W) uint8 and classes (N,) int64 or attributes (N, K) float32."""
    device = choose_device()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        channels, height, width = pixels.shape[1:]
        network = Classifier((channels, height, width), classes, settings).to(device)
        targets = targets.to(device)
        steps = min(settings.images_seen, settings.most_epochs * len(pixels)) // settings.batch_size
        optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, fused=device.type == "cuda")
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        log.info("%s: training %s steps of %d images", name, f"{steps:,}", settings.batch_size)
        last_log = time.monotonic()
        for step, chosen in enumerate(_batches(len(pixels), steps, settings), start=1):
            loss = _update(network, optimizer, pixels[chosen].to(device), targets[chosen])
            schedule.step()
            if time.monotonic() - last_log > PROGRESS_SECONDS:
                last_log = time.monotonic()
                log.info("%s %s/%s loss %.3f", name, f"{step:,}", f"{steps:,}", loss.item())
    return network.eval()


def _batches(image_count: int, steps: int, settings: ClassifierSettings) -> list[Tensor]:
    stream = torch.Generator().manual_seed(settings.seed)
    epochs = -(-steps * settings.batch_size // image_count)
    order = torch.cat([torch.randperm(image_count, generator=stream) for _ in range(epochs)])
    return list(torch.split(order, settings.batch_size)[:steps])


def _targets(split: ImageFile) -> Tensor:
    """Return classes (N,) int64 or attributes (N, K) float32."""
    if LABEL_COLUMNS[ATTRIBUTES] in split.columns:
        return torch.tensor(split.columns[LABEL_COLUMNS[ATTRIBUTES]], dtype=torch.float32)
    return torch.tensor(split.columns[LABEL_COLUMNS[CLASSES]])


def _update(network: Classifier, optimizer: torch.optim.Optimizer, pixels: Tensor, labels: Tensor) -> Tensor:
    logits = network(to_network(pixels))[1]
    by_classes = F.cross_entropy if labels.ndim == 1 else F.binary_cross_entropy_with_logits
    loss = by_classes(logits, labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()
