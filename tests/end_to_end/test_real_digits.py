"""The chain on the 60,000 real digits: it takes minutes and is marked slow; without the digits it is skipped."""

from pathlib import Path

import pytest

from assets import cli
from pipeline.reports import store
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths

pytestmark = pytest.mark.slow


def test_real_digits_train_to_scores_between_the_floor_and_noise(
    monkeypatch: pytest.MonkeyPatch, real_mnist: Path, paths: Paths
) -> None:
    arguments = ["materialize", "mnist_mlp", "--optimizer", "rmsprop", "--steps", "4000", "--members", "2"]
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    assert cli.main() == 0
    classifier = read_artefact(paths.classifier("mnist"))
    assert classifier is not None
    assert classifier.details["test_accuracy"] >= 0.985
    report = store.latest(paths.reports(), "mnist_mlp", "rmsprop")
    assert report is not None
    floor, ceiling = report.anchors("fid")
    assert floor < 5 < 1000 < ceiling
    assert all(floor < fid < 0.6 * ceiling for fid in report.scores("fid"))
    assert all(2.5 < score < 9.0 for score in report.scores("inception_score"))
    assert report.anchors("inception_score")[0] > 9.5
    assert report.scores("missing_classes") == [0, 0]
