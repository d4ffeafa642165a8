"""The extractor and the scores of a data set with attributes instead of classes, or without labels."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics.catalogue import score_names, score_notes
from pipeline.metrics.extractors.classifier import (
    NoLabelsError,
    extract,
    load_classifier,
    train_classifier,
)
from pipeline.metrics.identity import ClassifierSettings
from pipeline.metrics.reference import load_reference, make_reference
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.tensors.load import load_split, require_tensors
from tests.celeba_archive import write_small_celeba

LONGER = ClassifierSettings(most_epochs=60)  # some hundred images need more than the usual few epochs


@pytest.fixture
def faces(tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Artefact:
    """400 small "photographs" with 40 attributes, 240 to train on and 80 held out."""
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba", 400)))
    acquire(DATASETS["celeba"], paths)
    return build(DATASETS["celeba"], paths)


def test_it_learns_attributes_of_which_several_hold(faces: Artefact, paths: Paths) -> None:
    classifier = train_classifier("celeba", paths, settings=LONGER)
    assert (classifier.details["labels"], classifier.details["classes"]) == ("attributes", 40)
    test = load_split(require_tensors(paths, "celeba"), "test")
    attributes = test.columns["attributes"]
    logits = extract(load_classifier(classifier), test.pixels).logits
    assert logits is not None
    accuracy = np.equal(logits > 0, attributes).mean()
    assert classifier.details["test_accuracy"] == pytest.approx(accuracy)
    guessing = np.maximum(attributes.mean(axis=0), 1 - attributes.mean(axis=0)).mean()
    assert classifier.details["test_accuracy"] > 0.9 > guessing


def test_scores_of_attributes_leave_out_classes_and_carry_a_note(
    faces: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 200)
    train_classifier("celeba", paths)
    reference = load_reference(make_reference("celeba", paths))
    floor, ceiling = reference.anchors(200)
    assert list(floor) == list(ceiling) == score_names("attributes")  # in the catalogue's order
    assert "per_class_fid" not in floor
    assert "missing_classes" not in floor
    assert floor["fid"] is not None and ceiling["fid"] is not None
    assert floor["fid"] < ceiling["fid"]
    assert "not comparable" in score_notes("attributes")["inception_score"]
    assert "fid" not in score_notes("attributes")
    assert score_notes("classes") == {}


def test_images_without_labels_train_no_classifier_and_the_sentence_names_the_remedy(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_small_celeba(tmp_path / "celeba", 20, attributes=False)
    monkeypatch.setenv("GANFORGE_CELEBA", str(folder))
    acquire(DATASETS["celeba"], paths)
    build(DATASETS["celeba"], paths)
    with pytest.raises(NoLabelsError, match=r"without labels, expected classes or attributes .* --extractor inception"):
        train_classifier("celeba", paths)
    assert not paths.classifier("celeba").exists()
