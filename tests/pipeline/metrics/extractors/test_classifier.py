from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.metrics.catalogue import score
from pipeline.metrics.extractors.classifier import extract, load_classifier, train_classifier
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.metric import RealFeatures
from pipeline.metrics.reference import load_reference, make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.verification import sha256_of_file
from pipeline.tensors.build import build
from pipeline.tensors.load import load_split, require_tensors

LONGER = ClassifierSettings(most_epochs=40)  # 300 images need more than the usual few epochs


@pytest.fixture(scope="module")
def paths(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """One data folder for all tests of this file, with tensors in it."""
    paths = Paths(tmp_path_factory.mktemp("classifier"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GANFORGE_MNIST", str(small_mnist))
        acquire(DATASETS["mnist"], paths)
        build(DATASETS["mnist"], paths)
    return paths


@pytest.fixture(scope="module")
def classifier(paths: Paths) -> Artefact:
    """Trained once: training again repeats it, and no test changes it."""
    return train_classifier("mnist", paths, settings=LONGER)


def test_it_learns_classes_that_can_be_distinguished(classifier: Artefact) -> None:
    assert classifier.details["test_accuracy"] > 0.9
    assert classifier.details["test_images"] == 120


def test_its_hash_is_that_of_its_weights_and_training_repeats(
    classifier: Artefact, paths: Paths, tmp_path: Path
) -> None:
    assert classifier.details["weights_sha256"] == sha256_of_file(classifier.path("classifier.safetensors"))
    assert train_classifier("mnist", paths, settings=LONGER).cached
    again = train_classifier("mnist", paths, settings=LONGER, folder=tmp_path / "again")
    assert not again.cached
    assert again.details["weights_sha256"] == classifier.details["weights_sha256"]


def test_training_leaves_the_callers_random_numbers_alone(paths: Paths, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_classifier("mnist", paths, settings=ClassifierSettings(most_epochs=1), folder=tmp_path / "another")
    assert torch.equal(torch.rand(1), expected)


def test_features_do_not_depend_on_the_batch(
    classifier: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, pixels = load_classifier(classifier), load_split(require_tensors(paths, "mnist"), "test").pixels
    features = extract(network, pixels)
    monkeypatch.setattr("pipeline.metrics.extractors.classifier.EXTRACT_BATCH", 7)
    in_parts = extract(network, pixels)
    assert features.features.shape == (120, 128)
    assert np.allclose(features.features, in_parts.features, rtol=1e-5, atol=1e-5)
    assert features.logits is not None and in_parts.logits is not None
    assert np.allclose(features.logits, in_parts.logits, rtol=1e-5, atol=1e-5)


def test_the_reference_puts_real_images_near_and_noise_far(
    classifier: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 200)
    artefact = make_reference("mnist", paths)
    floor, ceiling = artefact.details["floor"], artefact.details["ceiling"]
    assert floor["fid"] < 0.2 * ceiling["fid"]
    assert floor["inception_score"] > 5 > ceiling["inception_score"]
    assert artefact.details["images"] == {"test": 120, "train": 300, "noise": 200}
    reference = load_reference(artefact)
    assert reference.anchors(200) == (floor, ceiling)
    fewer = score(reference.train.first(100), RealFeatures(reference.test), "classes")["fid"].value
    assert reference.anchors(100)[0]["fid"] == fewer != floor["fid"]  # anchors follow the count that is judged
    assert make_reference("mnist", paths).cached
