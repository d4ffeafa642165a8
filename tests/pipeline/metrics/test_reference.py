"""Floor and ceiling of metrics that were added after a reference was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics import CODE_VERSION, catalogue
from pipeline.metrics.features import NO_LOGITS, Features
from pipeline.metrics.identity import EXTRACTOR_SETTINGS, classifier_identity, ladder_identity, reference_identity
from pipeline.metrics.metric import Metric, Need, RealFeatures, ScoreDefinition
from pipeline.metrics.reference import Reference, anchors_of
from pipeline.metrics.score import Score
from pipeline.storage.artefact import Artefact
from tests.pipeline.manifests import SOURCE

COUNT = 20
STORED = dict.fromkeys(catalogue.score_names(NO_LOGITS), 1.0)


def features(seed: int) -> Features:
    return Features(np.random.default_rng(seed).normal(size=(30, 4)))


def reference() -> Reference:
    return Reference(features(1), features(2), features(3), NO_LOGITS)


def artefact(**changed: object) -> Artefact:
    details = {
        "dataset": "mnist",
        "extractor": "classifier",
        "labels": NO_LOGITS,
        "tensors": "tensors",
        "extractor_sha256": "weights",
        "extractor_accuracy": None,
        "resize": "none",
        "images": {"test": 30, "train": 30, "noise": 30},
        "anchor_images": COUNT,
        "floor": STORED,
        "ceiling": STORED,
        "metrics_version": CODE_VERSION,
        "source": SOURCE,
    }
    return Artefact(Path("reference"), "fingerprint", {}, {**details, **changed}, "2026-11-30T00:00:00+00:00")


def _count(generated: Features, real: RealFeatures) -> dict[str, Score]:
    return {"images": Score(float(len(generated)))}


NEW = Metric(
    scores=(ScoreDefinition("images", "images", "Number of images.", "neither"),),
    needs=(Need.FEATURES,),
    from_features=_count,
)


def test_stored_anchors_of_as_many_images_are_taken() -> None:
    assert anchors_of(artefact(), reference(), COUNT) == (STORED, STORED)


@pytest.mark.parametrize(("count", "changed"), [(COUNT - 1, {}), (COUNT, {"metrics_version": "of before"})])
def test_anchors_of_other_counts_or_metrics_are_computed(count: int, changed: dict[str, object]) -> None:
    assert anchors_of(artefact(**changed), reference(), count) == reference().anchors(count)


def test_only_the_anchors_of_a_new_metric_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, NEW))
    expected = {**STORED, "images": float(COUNT)}
    assert anchors_of(artefact(), reference(), COUNT) == (expected, expected)


def test_the_version_of_the_scores_decides_no_classifier_and_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = artefact()
    before = _identities(tensors)
    monkeypatch.setattr("pipeline.metrics.identity.CODE_VERSION", "another")
    now = _identities(tensors)
    assert [one == other for one, other in zip(before, now, strict=True)] == [True, True, False]


def _identities(tensors: Artefact) -> list[str]:
    return [
        classifier_identity(tensors, EXTRACTOR_SETTINGS).fingerprint,
        reference_identity(tensors, "weights", "none", anchor_images=COUNT, train_images=None).fingerprint,
        ladder_identity(tensors, "weights", "none", {"images": COUNT}).fingerprint,
    ]
