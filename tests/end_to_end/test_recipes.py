"""Recipes other than the first, through the whole chain, on small data and tiny budgets."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest

from assets import cli
from pipeline.metrics.catalogue import score_names
from pipeline.metrics.extractors.classifier import NoLabelsError
from pipeline.reports import store
from pipeline.reports.judge import Judge
from pipeline.storage.artefact import read_artefact
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from tests.celeba_archive import write_small_celeba
from tests.end_to_end.test_chain import latest_materialization

BUDGET = ["--steps", "3", "--members", "2", "--samples", "30"]
pytestmark = pytest.mark.usefixtures("no_page")


@pytest.fixture(autouse=True)
def few_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 100)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganforge", *arguments])
    return cli.main()


@pytest.mark.slow
def test_the_blogs_faces_are_trained_and_scored_on_their_attributes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    paths: Paths,
    capsys: pytest.CaptureFixture[str],
    instance: dg.DagsterInstance,
) -> None:
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba", 100)))
    assert run(monkeypatch, "materialize", "celeba_dense", "--optimizer", "sgd", "adam", *BUDGET) == 0
    samples = read_artefact(paths.samples("celeba_dense", "adam"))
    assert samples is not None
    assert read_images(samples.path("samples.arrow")).pixels.shape == (60, 3, 28, 28)
    report = store.latest(paths.reports(), "celeba_dense", "adam")
    assert report is not None
    assert report.metrics() == score_names("attributes")
    assert "not comparable" in report.notes()["inception_score"]
    assert report.protocol["extractor_labels"] == "attributes"
    capsys.readouterr()
    assert run(monkeypatch, "reports", "show", "celeba_dense") == 0
    printed = capsys.readouterr().out
    assert "100 images from " in printed
    assert printed.count("Inception Score: not comparable with any published score") == 1
    history = latest_materialization(instance, "celeba_dense", "history", partition="adam").asset_materialization
    assert history is not None
    assert str(history.metadata["curves"].value).startswith("![losses and accuracies by training step](data:image/png")


@pytest.mark.slow
def test_the_two_sizes_of_faces_share_their_raw_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GANFORGE_CELEBA", str(write_small_celeba(tmp_path / "celeba", 250)))
    budget = ["--steps", "1", "--members", "1", "--samples", "10"]
    assert run(monkeypatch, "materialize", "celeba_dense", "--optimizer", "sgd", *budget) == 0
    capsys.readouterr()
    assert run(monkeypatch, "materialize", "celeba_dcgan", "--optimizer", "adam", "--width", "2", *budget) == 0
    made = capsys.readouterr().out
    assert "celeba/raw: unchanged" in made
    assert "celeba_64/tensors: made" in made
    samples = read_artefact(paths.samples("celeba_dcgan", "adam"))
    assert samples is not None
    assert read_images(samples.path("samples.arrow")).pixels.shape == (10, 3, 64, 64)


def test_faces_without_attributes_are_trained_and_not_scored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_small_celeba(tmp_path / "celeba", 100, attributes=False)
    monkeypatch.setenv("GANFORGE_CELEBA", str(folder))
    assert run(monkeypatch, "materialize", "celeba_dense", "--optimizer", "sgd", *BUDGET) == 0
    printed = capsys.readouterr().out
    assert "no scores, but networks, pictures and samples" in printed
    assert "--extractor inception" in printed
    assert read_artefact(paths.samples("celeba_dense", "sgd")) is not None
    assert store.latest(paths.reports(), "celeba_dense", "sgd") is None
    with pytest.raises(NoLabelsError, match="INCEPTION"):  # the metadata of the report's asset in the UI
        Judge.load("celeba", paths)


def test_bultens_networks_draw_in_their_own_range_and_samples_use_all_of_it(
    monkeypatch: pytest.MonkeyPatch, named_small_mnist: Path, paths: Paths
) -> None:
    """A sigmoid that is 0.5 everywhere is the middle grey, as a tanh of 0 would be."""
    chain = ["materialize", "mnist_conv", "--optimizer", "rmsprop_adam", "--width", "2"]
    assert run(monkeypatch, *chain, "--steps", "2", "--members", "1", "--samples", "30") == 0
    training = read_artefact(paths.training("mnist_conv", "rmsprop_adam"))
    assert training is not None
    settings = json.loads(training.path("settings.json").read_text())
    assert (settings["width"], settings["dropout"], settings["batch_size"]) == (2, 0.4, 256)
    history = pq.read_table(training.path("history.parquet"))
    assert np.isfinite(history["generator_loss"].to_numpy()).all()
    samples = read_artefact(paths.samples("mnist_conv", "rmsprop_adam"))
    assert samples is not None
    pixels = read_images(samples.path("samples.arrow")).pixels
    assert 100 < pixels.mean() < 155
