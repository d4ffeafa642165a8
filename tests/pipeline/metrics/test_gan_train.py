"""A classifier learns from a set of images: bars in ten places, one per class."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics import gan_train
from pipeline.metrics.extractors.classifier import load_classifier, train_classifier
from pipeline.metrics.identity import ClassifierSettings
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.images import ImageFile
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.tensors.load import load_split, require_tensors

LONGER = ClassifierSettings(most_epochs=15, seed=1)  # 45 steps tell bars apart


@pytest.fixture(autouse=True)
def bars(named_small_mnist: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_train, "SETTINGS", LONGER)
    acquire(DATASETS["mnist"], paths)
    build(DATASETS["mnist"], paths)


def split(paths: Paths, name: str) -> ImageFile:
    return load_split(require_tensors(paths, "mnist"), name)


def sure(labels: np.ndarray) -> np.ndarray:
    rows: np.ndarray = np.eye(10)[labels]
    return rows


def test_images_as_good_as_real_ones_teach_and_a_missing_class_is_never_learnt(paths: Paths) -> None:
    train, test = split(paths, "train"), split(paths, "test")
    logits = sure(train.columns["label"])
    assert gan_train.gan_train(train.pixels, logits, test).value > 0.9
    shown = train.columns["label"] < 5
    halved = gan_train.gan_train(np.asarray(train.pixels)[shown], logits[shown], test).value
    assert 0.3 < halved <= 0.5
    assert gan_train.gan_train(train.pixels, np.roll(logits, 1, axis=1), test).value < 0.1


def test_the_second_classifier_is_kept_and_is_not_the_extractor(paths: Paths) -> None:
    second = gan_train.second_classifier("mnist", paths)
    weights = paths.classifier("mnist").with_name("second_classifier") / "classifier.safetensors"
    made = weights.stat().st_mtime_ns
    gan_train.second_classifier("mnist", paths)
    assert weights.stat().st_mtime_ns == made
    extractor = load_classifier(train_classifier("mnist", paths))
    assert not np.array_equal(extractor.first.weight.detach(), second.first.weight.detach())


def test_agreement_is_high_on_real_images_and_at_chance_for_other_labels(paths: Paths) -> None:
    test, second = split(paths, "test"), gan_train.second_classifier("mnist", paths)
    right = gan_train.gan_test(test.pixels, sure(test.columns["label"]), second)
    assert right.value > 0.9
    assert right.standard_error == pytest.approx(np.sqrt(right.value * (1 - right.value) / 120))
    assert gan_train.gan_test(test.pixels, sure((test.columns["label"] + 1) % 10), second).value < 0.1
